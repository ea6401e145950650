"""The script that runs in the sandbox, as ``python -I -B -c SCRIPT SETTINGS``, and there runs the program.

``runner.py`` sends it lines of JSON on standard input and reads its replies from standard output. It limits
its own resources, imports the packages that the tests need, and writes ``begun``; only then does it receive
the program.

- Tests in Python: it runs the program, writes ``ready``, receives the tests and a token, and returns the
  token when the tests have run to their end.
- Tests with inputs: for each input that it receives, it forks. The child runs the program, and the output
  goes back to be compared outside of the sandbox, which thus never contains the expected outputs.

The program can replace whatever modules define, so ``main`` keeps references to the functions that it uses.
It uses the standard library only and imports nothing from this package.
"""

from __future__ import annotations

import sys
from typing import Any


def main() -> None:
    """See the module."""
    import json
    import os
    import resource
    import sys
    import types

    write, leave, dumps, loads, read, run = os.write, os._exit, json.dumps, json.loads, compile, exec
    fork, wait, close, receive, pipe = os.fork, os.waitpid, os.close, os.read, os.pipe
    set_limit = resource.setrlimit
    settings = loads(sys.argv[1])
    del sys.argv[1:]
    arriving, leaving = 3, 4

    def send(message: dict[str, Any]) -> None:
        data = (dumps(message) + chr(10)).encode()
        while data:
            data = data[write(leaving, data) :]

    def end(message: dict[str, Any]) -> None:
        send(message)
        leave(0)

    def reason_of(error: BaseException) -> str:
        try:
            return ": ".join(filter(None, (type(error).__name__, str(error))))[:500]
        except BaseException:
            return "an error that cannot be printed"

    def line_of(error: BaseException, file: str) -> int:
        try:
            line, frame = 0, error.__traceback__
            while frame is not None:
                if frame.tb_frame.f_code.co_filename == file:
                    line = frame.tb_lineno
                frame = frame.tb_next
            return line
        except BaseException:
            return 0

    def failed(where: str, error: BaseException) -> None:
        end({"failed": reason_of(error), "where": where, "line": line_of(error, "<tests>")})

    def prepare() -> None:
        """Limit this process, and leave it no files but two pipes."""
        os.dup2(0, arriving)
        os.dup2(1, leaving)
        os.closerange(leaving + 1, 4096)
        for name in set(os.environ) - set(settings["environment"]):  # what providers add
            del os.environ[name]
        try:
            if settings["user"] is not None:
                os.setgroups([])
                os.setgid(settings["user"])
                os.setuid(settings["user"])
            for name, soft, hard in settings["limits"]:
                set_limit(getattr(resource, "RLIMIT_" + name), (soft, hard))
            for name in settings["modules"]:
                try:
                    __import__(name)
                except Exception as error:
                    raise ImportError(f"the tests need the package {name}: {reason_of(error)}") from None
        except Exception as error:
            end({"problem": reason_of(error)})
        null = os.open("/dev/null", os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        close(null)

    def module(name: str) -> dict[str, Any]:
        made = types.ModuleType(name)
        sys.modules[name] = made
        return made.__dict__

    def run_tests(source: str) -> None:
        names = module("solution")
        try:
            run(read(source, "<answer>", "exec"), names)
        except BaseException as error:
            failed("program", error)
        write(leaving, b"ready" + bytes([10]))
        message = loads(lines.readline())
        close(arriving)
        try:
            run(read(message["tests"], "<tests>", "exec"), names)
        except BaseException as error:
            failed("tests", error)
        end({"passed": message["word"]})

    def run_cases(source: str, function: str | None) -> bool:
        """Answer each case; true in a child, which then ends as any Python does."""
        try:
            program = read(source, "<answer>", "exec")
        except BaseException as error:
            failed("program", error)
        while line := lines.readline():
            case = loads(line)
            output, child_output = pipe()
            errors, child_errors = pipe()
            child = fork()
            if child == 0:
                for number in (arriving, leaving, output, errors):
                    close(number)
                set_limit(resource.RLIMIT_CPU, (case["cpu_s"], case["cpu_s"] + 1))
                try:
                    if function is None:
                        read_and_write(program, case["input"], child_output)
                    else:
                        call(program, function, case["input"], child_output)
                except SystemExit:
                    pass
                except BaseException as error:
                    write(child_errors, reason_of(error).encode(errors="replace") or b"an error")
                close(child_errors)
                return True
            close(child_output)
            close(child_errors)
            collected, size = [], 0
            while size <= case["most"] and (part := receive(output, 65536)):
                collected.append(part)
                size += len(part)
            close(output)  # a child that writes more is ended by it
            error_text = receive(errors, 4096) if size <= case["most"] else b""
            close(errors)
            status = wait(child, 0)[1] if size <= case["most"] else 0
            send(
                {
                    "output": b"".join(collected).decode(errors="replace"),
                    "error": error_text.decode(errors="replace"),
                    "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
                    "too_long": size > case["most"],
                }
            )
        return False

    def read_and_write(program: types.CodeType, text: str, output: int) -> None:
        """Run a program as a script, with ``text`` on standard input."""
        with open("/tmp/.input", "w+b") as file:
            file.write(text.encode(errors="surrogatepass"))
            file.seek(0)
            os.dup2(file.fileno(), 0)
        os.unlink("/tmp/.input")
        os.dup2(output, 1)
        close(output)
        run(program, module("__main__"))

    def call(program: types.CodeType, function: str, arguments: list[Any], output: int) -> None:
        """Call a function, or a method of the class ``Solution``, and write what it returns as JSON."""
        names = module("solution")
        run(program, names)
        owner: Any = names.get("Solution")
        is_method = isinstance(owner, type) and hasattr(owner, function)
        called = getattr(owner(), function) if is_method else names[function]
        result = called(*arguments)
        if isinstance(result, tuple):
            result = list(result)
        text = dumps(result, default=plain_number)
        same = loads(text)
        if same != result and same == same:  # such as a tuple in a list, which JSON does not have
            raise TypeError(f"the result is not a value of JSON: {result!r}"[:300])
        data = text.encode()
        while data:
            data = data[write(output, data) :]
        leave(0)

    def plain_number(value: Any) -> Any:
        """The number in a scalar of NumPy."""
        if type(value).__module__ == "numpy":
            return value.item()
        raise TypeError(f"the result is not a value of JSON: {type(value).__name__}")

    prepare()
    lines = os.fdopen(arriving, "r", encoding="utf-8", closefd=False)
    write(leaving, b"begun" + bytes([10]))
    program = loads(lines.readline())
    if program["kind"] == "tests":
        run_tests(program["code"])
    elif not run_cases(program["code"], program["function"]):
        leave(0)


if __name__ == "__main__" and len(sys.argv) > 1:
    main()

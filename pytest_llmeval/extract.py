"""temporary"""
import re
def choice(text, choices):
    m = re.search(r"[A-Z]", text)
    return m.group(0) if m and m.group(0) in choices else None
EXTRACTORS = {"choice": choice}
def split_reasoning(text):
    return text, ""

"""Names of uploads: what every file system and every spreadsheet reads alike."""

import unicodedata

MAX_BYTES = 200
_RESERVED = frozenset('<>:"/\\|?*')
_STARTS_A_FORMULA = frozenset("=+-@")
_DEVICES = frozenset(("con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))))


def why_refused(name: str) -> str | None:
    """Why an upload may not have this name, in words for the provider; None when it may.

    Control, bidirectional and zero-width characters hide what a name is; others mean something to Windows, to a shell
    or to a spreadsheet that lists the file.
    """
    if not name or len(name.encode(errors="surrogateescape")) > MAX_BYTES:  # before anything is made of it
        return f"A file's name has at most {MAX_BYTES} bytes."
    if any("\udc80" <= sign <= "\udcff" for sign in name) or "\\x" in name:
        return "A file's name is written in UTF-8, and this one is not: set your program to UTF-8."
    plain = unicodedata.normalize("NFKC", name)
    if not name.isprintable() or not plain.isprintable():
        return "A file's name has only visible characters and spaces."
    if _RESERVED & set(plain):
        return "A file's name has none of < > : \" / \\ | ? *"
    if plain[0] in _STARTS_A_FORMULA:
        return "A file's name does not start with = + - or @: a spreadsheet would take it for a formula."
    if plain != plain.strip() or plain.endswith("."):
        return "A file's name does not start or end with a space, or end with a dot."
    if plain.split(".")[0].lower() in _DEVICES:
        return "This name is a device on Windows: choose another."
    return None

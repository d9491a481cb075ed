"""Nothing that a real mailbox gets says that it is practice."""

# The words of practice as guidance on practice has them, for any service.
ON_PRACTICE = ("guidance/practice.", "guidance/words.", "guidance/index.")


def test_nothing_real_says_so(guided_home):
    seen = 0
    for path in (guided_home / "mailboxes").rglob("*"):
        if path.is_file() and not path.as_posix().split("from-dfe/")[-1].startswith(ON_PRACTICE):
            content = path.read_bytes()
            assert not any(words in content for words in (b'"practice"', b"PRACTICE: ", b'class="practice"')), path
            seen += 1
    assert seen > 1000

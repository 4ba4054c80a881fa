"""Write all that is made from click's definitions, the lifecycle of groups, and docs/json.md; tell what has changed."""

from generate.files import PROJECT, contents
from generate.model import programs


def main() -> None:
    """Write those files that are not as they should be."""
    for path, text in contents(programs()).items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
            print(f"wrote {path.relative_to(PROJECT)}")


if __name__ == "__main__":
    main()

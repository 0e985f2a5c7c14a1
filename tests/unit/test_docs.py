"""Guides: every picture that they name is there and small, every picture is used, every guide is found by its role."""

from __future__ import annotations

import re

from huiyang.settings import PROJECT_ROOT

DOCS = PROJECT_ROOT / "docs"
LARGEST_PICTURE = 200_000
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)#\s]+)")


def _texts() -> dict[str, str]:
    """Path from the project's root → text, of every document for people."""
    paths = [*PROJECT_ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    return {str(path.relative_to(PROJECT_ROOT)): path.read_text(encoding="utf-8") for path in paths}


def test_every_link_within_the_documents_leads_somewhere() -> None:
    dead = [
        (name, target)
        for name, text in _texts().items()
        for target in _LINK.findall(text)
        if "://" not in target and not (PROJECT_ROOT / name).parent.joinpath(target).exists()
    ]
    assert not dead


def test_every_picture_is_used_and_small() -> None:
    text = "\n".join(_texts().values())
    pictures = sorted((DOCS / "pictures").iterdir())
    assert [picture.name for picture in pictures if picture.name not in text] == []
    assert [picture.name for picture in pictures if picture.stat().st_size > LARGEST_PICTURE] == []


def test_every_guide_is_found_by_its_role() -> None:
    start = (PROJECT_ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
    guides = sorted(path.name for path in (DOCS / "guides").glob("*.md"))
    assert [name for name in guides if f"docs/guides/{name}" not in start] == []

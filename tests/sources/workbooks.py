"""Workbooks written by hand, XML by XML: also such as no library would write."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006/relationships"
HEADER: Final = "".join(
    f'<c r="{letter}1" t="inlineStr"><is><t>{text}</t></is></c>'
    for letter, text in zip("ABC", ("PersonId", "Voornaam", "Plaats"), strict=True)
)


def cell(reference: str, text: str) -> str:
    """Give a cell with a text."""
    return f'<c r="{reference}" t="inlineStr"><is><t>{text}</t></is></c>'


def rows(*cells: str, first: int = 2) -> str:
    """Give the header and rows below it, each as the XML of its cells."""
    below = "".join(f'<row r="{number}">{each}</row>' for number, each in enumerate(cells, first))
    return f'<row r="1">{HEADER}</row>{below}'


def sheet(data: str, behind: str = "") -> str:
    """Give the XML of a sheet."""
    return f'<worksheet xmlns="{MAIN}"><sheetData>{data}</sheetData>{behind}</worksheet>'


def workbook(
    *sheets: str,
    states: Mapping[int, str] | None = None,
    more: Mapping[str, str | bytes] | None = None,
    about: str = "",
) -> bytes:
    """Give the bytes of a workbook with these sheets; ``more`` are further or other members of the ZIP, '' leaves one out."""
    named = "".join(
        f'<sheet name="Blad{number}" sheetId="{number}" state="{(states or {}).get(number, "visible")}" r:id="r{number}"/>'
        for number in range(1, len(sheets) + 1)
    )
    links = "".join(
        f'<Relationship Id="r{number}" Type="{_RELATIONS}/worksheet" Target="worksheets/sheet{number}.xml"/>'
        for number in range(1, len(sheets) + 1)
    )
    for kind in ("styles", "sharedStrings"):
        links += f'<Relationship Id="{kind}" Type="{_RELATIONS}/{kind}" Target="{kind}.xml"/>'
    members: dict[str, str | bytes] = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{_RELATIONS}">{about}<sheets>{named}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}">{links}</Relationships>',
        **{f"xl/worksheets/sheet{number}.xml": text for number, text in enumerate(sheets, 1)},
        **(more or {}),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            if content != "":
                archive.writestr(name, content)
    return packed.getvalue()


def styles(*formats: str) -> str:
    """Give the XML of styles: cell style 0 is General, 1 and up have these number formats."""
    own = "".join(
        f'<numFmt numFmtId="{number}" formatCode="{text.replace("&", "&amp;").replace("<", "&lt;").replace(chr(34), "&quot;")}"/>'
        for number, text in enumerate(formats, 164)
    )
    used = "".join(f'<xf numFmtId="{number}"/>' for number in [0, *range(164, 164 + len(formats))])
    return f'<styleSheet xmlns="{MAIN}"><numFmts>{own}</numFmts><cellStyleXfs><xf numFmtId="9"/></cellStyleXfs><cellXfs>{used}</cellXfs></styleSheet>'

"""The metadata of a dataset version in MLCommons Croissant 1.0 (JSON-LD): files with their hashes, columns with types.

https://docs.mlcommons.org/croissant/docs/croissant-spec.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from tunesmith.data.version_files import FOLDER, DataFile

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
PARQUET = "application/x-parquet"
CONTEXT: dict[str, object] = {  # as the specification writes it
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(
    name: str,
    key: str,
    files: Sequence[DataFile],
    schema: pa.Schema,
    *,
    licenses: Mapping[str, int],
    date: str | None,
    description: str,
) -> dict[str, object]:
    """The content of croissant.json; a date that is not known is left out."""
    parts = list(dict.fromkeys(file.part for file in files))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": name,
        "description": description,
        "version": f"0.0.0+{key}",  # the specification asks for MAJOR.MINOR.PATCH; what names the content is the KEY
        "license": [_license(one) for one in licenses] or ["unknown"],
        **({"datePublished": date} if date else {}),
        "distribution": [*map(_file, files), *(one for part in parts for one in _set(part, files))],
        "recordSet": [_records(part, files, schema) for part in parts],
    }


def _license(spdx: str) -> str:
    return spdx if spdx == "unknown" or spdx.startswith("LicenseRef-") else f"https://spdx.org/licenses/{spdx}"


def _file(file: DataFile) -> dict[str, object]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": PARQUET,
        "sha256": file.sha256,
    }


def _set(part: str, files: Sequence[DataFile]) -> list[dict[str, object]]:
    """The files of a part as one, where there are several: those beside this metadata that have its name."""
    if sum(file.part == part for file in files) == 1:
        return []
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"files-{part}",
            "name": f"files-{part}",
            "encodingFormat": PARQUET,
            "includes": f"{FOLDER}/{part}-*.parquet",
        }
    ]


def _records(part: str, files: Sequence[DataFile], schema: pa.Schema) -> dict[str, object]:
    own = [file for file in files if file.part == part]
    source = {"fileObject": {"@id": own[0].path}} if len(own) == 1 else {"fileSet": {"@id": f"files-{part}"}}
    return {
        "@type": "cr:RecordSet",
        "@id": part,
        "name": part,
        "description": f"{sum(file.rows for file in own):,} records",
        "field": [_field(f"{part}/{each.name}", each, {**source, "extract": {"column": each.name}}) for each in schema],
    }


def _field(place: str, column: pa.Field, source: Mapping[str, object] | None) -> dict[str, object]:
    kind, repeated = column.type, False
    if pa.types.is_list(kind):
        kind, repeated = kind.value_type, True
    field: dict[str, object] = {"@type": "cr:Field", "@id": place, "name": place}
    field |= {"repeated": True} if repeated else {}
    field |= {"source": dict(source)} if source else {}
    if not pa.types.is_struct(kind):
        return field | {"dataType": _type(kind)}
    # A field of fields names where each lies; no dataType of its own is asked for.
    inner = [_field(f"{place}/{each.name}", each, _within(source, each.name)) for each in kind]
    return field | {"subField": inner}


def _within(source: Mapping[str, object] | None, name: str) -> Mapping[str, object] | None:
    if source is None:
        return None
    return {**source, "transform": {"jsonPath": name}}


def _type(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return "sc:Boolean"
    if pa.types.is_integer(kind):
        return "sc:Integer"
    return "sc:Float" if pa.types.is_floating(kind) else "sc:Text"

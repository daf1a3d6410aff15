"""Which licence a text is: real texts of installed packages against what the packages say of themselves."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from tunesmith.data.packages import distributions, licence
from tunesmith.data.sources._licences import all_of, spdx

ALONE = ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "Unlicense")


def texts(found: Distribution) -> Iterator[str]:
    """The licence texts of an installed package."""
    for path in found.files or ():
        if ".dist-info" in str(path) and "licen" in path.name.lower():
            yield Path(str(found.locate_file(path))).read_text("utf-8", errors="replace")


def test_packages_under_one_licence_have_a_text_that_is_recognised_as_it() -> None:
    found = [
        (name, said, [spdx(text) for text in texts(package)])
        for name, package in distributions().items()
        if (said := licence(package)) in ALONE
    ]
    alone = [(name, said, read[0]) for name, said, read in found if len(read) == 1]
    assert [each for each in alone if each[1] not in str(each[2]).split(" AND ")] == []
    assert len(alone) > 20
    assert len({said for _, said, _ in alone}) >= 3


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("SPDX-License-Identifier: (MIT OR Apache-2.0) */", "MIT OR Apache-2.0"),
        (
            "// SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note -->",
            "GPL-2.0-only WITH Linux-syscall-note",
        ),
        ("SPDX-License-Identifier: MIT\n# SPDX-License-Identifier: CC0-1.0", "CC0-1.0 AND MIT"),
        ("GNU AFFERO GENERAL PUBLIC LICENSE\nVersion 3, 19 November 2007", "AGPL-3.0-only"),
        ("GNU LESSER GENERAL PUBLIC LICENSE\nVersion 2.1, February 1999", "LGPL-2.1-only"),
        (
            "under the terms of the GNU General Public License as published by\n * the Free Software Foundation, "
            "either version 3 of the License, or\n * (at your option) any later version.",
            "GPL-3.0-or-later",
        ),
        ("the GNU Lesser General Public License version 2.1", "LGPL-2.1-only"),
        ("Distributed under the Boost Software License, Version 1.0.", "BSL-1.0"),
        ("Eclipse Public License - v 2.0", "EPL-2.0"),
        ("Released under the MIT license", "MIT"),
        ("This is free and unencumbered software released into the public domain.", "Unlicense"),
        ("This work is CC BY-NC-SA 4.0", "CC-BY-NC-SA-4.0"),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International", "CC-BY-NC-ND-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("licensed under terms of your own, with permission", None),
        ("print('hello')", None),
    ],
)
def test_notices_and_tags_name_a_licence(text: str, licence: str | None) -> None:
    assert spdx(text) == licence


def test_a_licence_with_a_condition_of_its_own_is_not_taken_for_its_kin() -> None:
    mit = next(texts(distributions()["pydantic"]))
    assert spdx(mit) == "MIT"
    assert spdx(mit + "The Software shall be used for Good, not Evil.") == "JSON"
    bsd = "Redistribution and use in source and binary forms, with or without modification, are permitted. "
    bsd += "Redistributions in binary form must reproduce the above copyright notice. "
    assert spdx(bsd) == "BSD-2-Clause"
    assert spdx(bsd + "Names may not be, or may be used to endorse or promote products.") == "BSD-3-Clause"
    assert spdx(bsd + "All advertising materials mentioning features") == "BSD-4-Clause"


def test_what_stands_under_several_licences_stands_under_all_of_them() -> None:
    assert all_of(["MIT", "MIT"]) == "MIT"
    assert all_of(["GPL-3.0-only", "MIT AND ISC"]) == "GPL-3.0-only AND ISC AND MIT"
    assert all_of([]) is None

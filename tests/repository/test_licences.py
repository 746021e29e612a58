from tests.licences import offenders


def test_a_gpl_licence_is_noticed_and_a_choice_beside_it_is_not() -> None:
    found = offenders(
        {
            "a": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
            "b": "AGPL-3.0-only",
            "c": "GPL-2.0-only OR MIT",
            "d": "License :: OSI Approved :: GNU Lesser General Public License v3 (LGPLv3)",
            "e": "MIT",
            "f": "unknown",
            "g": None,
        }
    )
    assert set(found) == {"a", "b", "f"}

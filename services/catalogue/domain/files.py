"""Reads a folder's files into a catalogue, or says everything that is wrong with them at once."""

from collections.abc import Mapping

from services.catalogue.domain.calendar_file import CALENDAR, read_calendar
from services.catalogue.domain.code_list_files import CODES, DIMENSIONS, read_code_lists
from services.catalogue.domain.entities import Catalogue, key_of
from services.catalogue.domain.form_files import COLUMNS, FORMS, LINES, Measures, read_forms
from services.catalogue.domain.obligation_files import NOT_APPLICABLE, OBLIGATIONS, Known, read_obligations
from services.catalogue.domain.rule_files import CONTACTS, RULES, read_contacts, read_rules
from services.catalogue.domain.sheets import FileFinding, Findings
from services.catalogue.domain.structure_files import INDICATORS, UNITS, read_indicators, read_units
from shared.text import Text

REQUIRED = (UNITS, DIMENSIONS, CODES, INDICATORS, FORMS, COLUMNS, LINES, OBLIGATIONS, CALENDAR)
OPTIONAL = (NOT_APPLICABLE, RULES, CONTACTS)


class CatalogueFilesError(Exception):
    """The files cannot be loaded; `findings` says where and why."""

    def __init__(self, findings: tuple[FileFinding, ...]) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


def read_catalogue(files: Mapping[str, str]) -> Catalogue:
    """Return the catalogue in files given as name → text; raises CatalogueFilesError with all faults found."""
    findings = Findings()
    for name in REQUIRED:
        if name not in files:
            findings.add(
                name,
                Text(vi="Thiếu tệp này", en="This file is missing"),
                Text(vi="Thêm tệp vào thư mục", en="Add it to the folder"),
            )
    if findings.items:
        raise CatalogueFilesError(tuple(findings.items))
    schedule = read_calendar(files[CALENDAR], findings)
    units = read_units(files[UNITS], findings)
    code_lists = read_code_lists(files[DIMENSIONS], files[CODES], findings)
    indicators = read_indicators(files[INDICATORS], code_lists, findings)
    forms = read_forms((files[FORMS], files[COLUMNS], files[LINES]), units, Measures(indicators, code_lists), findings)
    known = Known(units, indicators, code_lists, forms, schedule)
    obligations = read_obligations(files[OBLIGATIONS], _optional(files, NOT_APPLICABLE), known, findings)
    rules = read_rules(_optional(files, RULES), forms, findings)
    contacts = read_contacts(_optional(files, CONTACTS), units, forms, findings)
    if findings.items or schedule is None:
        raise CatalogueFilesError(tuple(findings.items))
    entities = (
        *units.values(),
        *code_lists.values(),
        *indicators.values(),
        *forms.values(),
        *rules.values(),
        *obligations.values(),
        schedule.calendar,
    )
    return Catalogue({key_of(entity): entity for entity in entities}, contacts)


def _optional(files: Mapping[str, str], name: str) -> str:
    """Return a file that may be missing; its head alone is enough for a file without rows."""
    heads = {
        NOT_APPLICABLE: "unit_code,indicator_code,dimension,codes",
        RULES: "code,form_code,severity,expression,name_vi",
        CONTACTS: "id,unit_code,name,email,role",
    }
    return files.get(name, heads[name])

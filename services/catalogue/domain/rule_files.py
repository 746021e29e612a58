"""Reads validation rules and contacts."""

import re
from collections import defaultdict
from collections.abc import Container

from services.catalogue.domain.references import check_known, duplicate
from services.catalogue.domain.sheets import Findings, Row, read_rows
from services.catalogue.domain.versions import in_order, validity
from shared.events.catalogue import ContactRole, ContactV1, RuleV1, RuleVersion
from shared.events.findings import Severity
from shared.periods import Frequency
from shared.text import Text

RULES, CONTACTS = "rules.csv", "contacts.csv"
EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+|[^@\s,;<>]+@localhost")


def read_rules(content: str, forms: Container[str], findings: Findings) -> dict[str, RuleV1]:
    """Read rules.csv; several rows of one code are its history. The expression is validate's to understand."""
    found: dict[str, list[tuple[Row, RuleVersion]]] = defaultdict(list)
    for row in read_rows(RULES, content, ("code", "form_code", "severity", "expression", "name_vi"), findings):
        code = row.text("code")
        version = RuleVersion(
            form=row.text("form_code"),
            severity=row.choice("severity", Severity).value,
            expression=row.text("expression"),
            tolerance=row.decimal("tolerance"),
            name=row.name(),
            frequencies=tuple(row.one_of("frequencies", value, Frequency) for value in row.names("frequencies")),
            mend=row.name("mend") if row.optional("mend_vi") else None,
            **validity(row),
        )
        check_known(row, "form_code", version.form, forms)
        if row.good:
            found[code].append((row, version))
    return {code: RuleV1(code=code, versions=in_order(rows)) for code, rows in found.items()}


def read_contacts(
    content: str, units: Container[str], forms: Container[str], findings: Findings
) -> dict[str, ContactV1]:
    """Read contacts.csv: people and their addresses, each id once."""
    contacts: dict[str, ContactV1] = {}
    for row in read_rows(CONTACTS, content, ("id", "unit_code", "name", "email", "role"), findings):
        identifier, email = row.text("id"), row.text("email")
        if email and EMAIL.fullmatch(email) is None:
            row.fault(
                "email",
                Text(vi=f"«{email}» không phải địa chỉ thư", en=f"“{email}” is no mail address"),
                Text(vi="Sửa địa chỉ, mỗi dòng một người", en="Correct it, one person a row"),
            )
        contact = ContactV1(
            id=identifier,
            unit=row.text("unit_code"),
            name=row.text("name"),
            email=email,
            role=row.choice("role", ContactRole),
            forms=row.names("forms"),
            **validity(row),
        )
        check_known(row, "unit_code", contact.unit, units)
        for form in contact.forms:
            check_known(row, "forms", form, forms)
        if identifier in contacts:
            duplicate(row, "id", identifier)
        if row.good:
            contacts[identifier] = contact
    return contacts

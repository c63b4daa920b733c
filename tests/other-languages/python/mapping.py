"""The provisioner of ../../guests/mapping in Python."""

import json

from wit_world import exports
from wit_world.imports import log, state
from wit_world.imports.records import Identifier, Person, Status_Active, Subject_Person, SubjectKind_Person
from wit_world.imports.types import (
    Applied,
    Context,
    Description,
    Inspection_Unknown,
    Invocation,
    Outcome_Applied,
    Outcome_Skipped,
    Outcome_Unchanged,
)

SCHEMA = {
    "type": "object",
    "properties": {"identifier_type": {"type": "string"}},
    "required": ["identifier_type"],
    "additionalProperties": False,
}


class Plugin(exports.Plugin):
    def describe(self) -> Description:
        return Description(
            name="mapping-python",
            version="0.1.0",
            summary="Makes the document of an account of a person",
            subject_kinds=[SubjectKind_Person()],
            configuration_schema=json.dumps(SCHEMA),
            slots=[],
            safe_requests=[],
            extensions=[],
        )

    def check(self, context: Context) -> list[str]:
        return []


class Provisioning(exports.Provisioning):
    def prepare(self, context: Context) -> list[str]:
        return []

    def provision(self, invocation: Invocation):
        if not isinstance(invocation.subject, Subject_Person):
            return Outcome_Skipped("only people have accounts")
        identifier_type = json.loads(invocation.context.configuration)["identifier_type"]
        document = json.dumps(account(invocation.subject.value, identifier_type))
        if state.get(state.Scope.SUBJECT, "account") == document.encode():
            return Outcome_Unchanged()
        log.write(log.Level.INFO, "account mapped", [log.Field("length", str(len(document)))])
        return Outcome_Applied(Applied(identifiers=[], history=[f"account of {len(document)} characters"]))

    def inspect(self, context: Context, subject):
        return Inspection_Unknown("the plugin does not look into its counterpart")


def account(person: Person, identifier_type: str) -> dict:
    name = next(name for name in person.names if name.primary)
    emails = person.email_addresses
    official = [email.mail for email in emails if email.verified and email.email_type == "official"]
    preferred = next(iter(official + [email.mail for email in emails]), None)
    return {
        "name": of_type(person.identifiers, identifier_type) or person.metadata.id,
        "person": person.metadata.id,
        "active": isinstance(person.status, Status_Active),
        "display_name": f"{name.given} {name.family}",
        "sort_name": f"{name.family}, {name.given}".lower(),
        "mail": preferred,
        "aliases": [email.mail for email in emails if email.mail != preferred],
        "identifiers": [f"{one.identifier_type}:{one.identifier}" for one in person.identifiers],
        "affiliations": sorted({role.affiliation for role in person.roles if role.affiliation}),
        "roles": [
            ", ".join(part for part in (role.title, role.department, role.organization) if part)
            for role in person.roles
        ],
        "groups": sorted(
            (
                {
                    "name": held.group.name,
                    "gid": of_type(held.group.identifiers, "gid"),
                    "member": held.member,
                    "owner": held.owner,
                }
                for held in person.memberships
            ),
            key=lambda group: group["name"],
        ),
    }


def of_type(identifiers: list[Identifier], identifier_type: str) -> str | None:
    return next((one.identifier for one in identifiers if one.identifier_type == identifier_type), None)

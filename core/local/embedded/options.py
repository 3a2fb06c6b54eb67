"""What a write asks for beside its object: field manager, treatment of unknown fields, preconditions."""

from dataclasses import dataclass

from core.local.embedded.bodies import parse_object
from core.local.embedded.calls import Call
from core.local.embedded.decoding import unmarshal_error
from core.local.embedded.statuses import Cause, Target, bad_request, invalid

_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
_DIRECTIVES = ("", "Ignore", "Strict", "Warn")
_MAX_MANAGER = 128  # bytes


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """`manager` is noted in managedFields; `directive` is Ignore, Strict, or Warn by default."""

    manager: str
    directive: str


def write_options(call: Call, verb: str) -> WriteOptions:
    """Read the options of a write; ApiError 400, 422."""
    if "dryRun" in call.query:
        raise bad_request("the embedded API knows no dryRun: leave it out")
    manager, directive = call.query.get("fieldManager", ""), call.query.get("fieldValidation", "")
    causes = []
    if len(manager.encode()) > _MAX_MANAGER:
        long = f"Too long: may not be more than {_MAX_MANAGER} bytes"
        causes.append(Cause("FieldValueTooLong", long, "fieldManager"))
    if directive not in _DIRECTIVES:
        supported = ", ".join(f'"{one}"' for one in _DIRECTIVES)
        unsupported = f'Unsupported value: "{directive}": supported values: {supported}'
        causes.append(Cause("FieldValueNotSupported", unsupported, "fieldValidation"))
    if causes:
        raise invalid(Target("meta.k8s.io", _KINDS[verb]), "", causes)
    return WriteOptions(manager or _from_user_agent(call), directive)


def _from_user_agent(call: Call) -> str:
    """The agent's first part, as far as it is printable."""
    agent = call.headers.get("user-agent", "").partition("/")[0]
    printable = "".join(letter for letter in agent if letter.isprintable())
    return printable[:_MAX_MANAGER] or "unknown"


def preconditions(call: Call) -> dict[str, str]:
    """Return the preconditions of a DELETE.

    Raises:
        ApiError: 400 for options that cannot be read, or would be ignored; 413, 415.
    """
    options = parse_object(call, context="") if call.body else {}
    if options.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request(f'no kind "{options["kind"]}" is registered for version "v1"')
    if options.get("propagationPolicy", "Background") != "Background" or {"dryRun"} & {*options, *call.query}:
        raise bad_request("the embedded API deletes in the background only, and knows no dryRun")
    asked = options.get("preconditions") or {}
    for field, value in asked.items():
        if not isinstance(value, str):
            raise bad_request(str(unmarshal_error(value, f"struct field Preconditions.preconditions.{field}")))
    return dict(asked)

"""Times as kubectl writes them: how long ago, short. The embedded API's tables and our own commands share it."""

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY
# Below how many seconds an age is told in a unit, and in which smaller one what is left over (`HumanDuration` of
# k8s.io/apimachinery): 119s, 2m, 9m59s, 10m, 179m, 3h, 7h59m, 8h, 47h, 2d, 7d23h, 8d, 729d, 2y, 7y364d, 8y.
_STEPS = (
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def short_age(seconds: float) -> str:
    """Return an age as kubectl's columns show it, such as 42s, 7m5s, 3h, 12d; "<invalid>" for one ahead."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(0, whole)
    for below, unit, letter, smaller, smaller_letter in _STEPS:
        if whole < below:
            rest = whole % unit // smaller if smaller else 0
            return f"{whole // unit}{letter}" + (f"{rest}{smaller_letter}" if rest else "")
    return f"{whole // _YEAR}y"

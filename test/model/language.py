"""test/model/language.py: the expressions that both sides can evaluate.

An expression is a list; sql() writes it as the SQL of a definition, value()
computes what it yields in the model.  What raises in SQL raises Raised here.
"""
import json
from datetime import datetime


class Raised(Exception):
    """An expression raised; the argument is the SQLSTATE."""


def _compare(op, left, right):
    if left is None:
        return None
    return {"=": left == right, ">": left > right, "<": left < right}[op]


def _integer(text):
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise Raised("22P02") from None


def _text_of_json(value):
    """What ->> gives of a JSON value."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    return json.dumps(value)


def sql(e):
    kind = e[0]
    if kind == "event_n":
        return f"(event->>'n')::int {e[1]} {e[2]}"
    if kind == "event_color":
        return f"event->>'color' = '{e[1]}'"
    if kind == "context":
        return f"(context->>'{e[1]}')::int {e[2]} {e[3]}"
    if kind == "points":
        return f"customer.points {e[1]} {e[2]}"
    if kind == "plan":
        return f"customer.plan = '{e[1]}'"
    if kind == "bad":
        return f"customer.bad::int {e[1]} {e[2]}"
    if kind == "event_status":
        return f"event->>'status' = '{e[1]}'"
    if kind == "length":
        return f"jsonb_array_length(context->'{e[1]}') {e[2]} {e[3]}"
    if kind == "reason":
        return f"context->'{e[1]}'->>'reason' = '{e[2]}'"
    if kind == "own":
        return f"CASE WHEN starts_with(customer.id, '{e[1]}') THEN {sql(e[2])} END"
    if kind == "call":
        return f"shop.note(customer.id, {sql(e[1])})"
    if kind == "and":
        return " AND ".join(f"({sql(x)})" for x in e[1:])
    if kind == "not":
        return f"NOT ({sql(e[1])})"
    return {
        "true": "true",
        "event_key": "event->>'k'",
        "occurrence": "event->>'occurrence'",
        "v_n": "(event->>'n')::int",
        "v_bad": "customer.bad::int",
        "v_three": "3",
        "v_count": "coalesce((context->>'a')::int, 0) + 1",
        "v_now": "journey.now",
        "v_key": "journey.key",
        "v_step": "journey.step",
        "v_name": "journey.event_name",
        "v_entry": "(journey.entry_event->>'n')::int",
        "v_points": "customer.points",
        "v_zone": "journey.timezone",
        "v_entered": "journey.entered_at",
        "v_object": "jsonb_build_object('n', event->'n', 'color', customer.plan)",
        "v_list": "jsonb_build_array(1)",
        "amount": "(event->>'n')::numeric",
        "currency": "'EUR'",
        "due": "customer.due",
        "day": "customer.day",
        "local": "customer.due::timestamp",
    }[kind]


def value(e, scope):
    kind = e[0]
    event, context, customer = scope["event"], scope["context"], scope["customer"]
    if kind == "event_n":
        return _compare(e[1], _integer(_text_of_json(event.get("n"))), e[2])
    if kind == "event_color":
        return _compare("=", event.get("color"), e[1])
    if kind == "context":
        return _compare(e[2], _integer(_text_of_json(context.get(e[1]))), e[3])
    if kind == "points":
        return _compare(e[1], customer["points"], e[2])
    if kind == "plan":
        return _compare("=", customer["plan"], e[1])
    if kind == "bad":
        return _compare(e[1], _integer(customer["bad"]), e[2])
    if kind == "event_status":
        return _compare("=", event.get("status"), e[1])
    if kind == "length":
        gathered = context.get(e[1])
        if gathered is not None and not isinstance(gathered, list):
            raise Raised("22023")
        return _compare(e[2], None if gathered is None else len(gathered), e[3])
    if kind == "reason":
        output = context.get(e[1])
        return _compare("=", output.get("reason") if isinstance(output, dict) else None, e[2])
    if kind == "own":
        return value(e[2], scope)
    if kind == "call":
        return value(e[1], scope)
    if kind == "v_three":
        return 3
    if kind == "and":
        parts = [value(x, scope) for x in e[1:]]
        return False if False in parts else None if None in parts else True
    if kind == "not":
        inner = value(e[1], scope)
        return None if inner is None else not inner
    if kind == "true":
        return True
    if kind == "event_key":
        return _text_of_json(event.get("k"))
    if kind == "occurrence":
        return _text_of_json(event.get("occurrence"))
    if kind in ("v_n", "amount"):
        return _integer(_text_of_json(event.get("n")))
    if kind == "v_bad":
        return _integer(customer["bad"])
    if kind == "v_count":
        count = _integer(_text_of_json(context.get("a")))
        return (count or 0) + 1
    if kind == "v_entry":
        return _integer(_text_of_json(scope["entry_event"].get("n")))
    if kind == "v_points":
        return customer["points"]
    if kind in ("v_now", "v_entered"):
        return stamp_json(scope["now" if kind == "v_now" else "entered_at"])
    if kind == "v_object":
        return {"n": event.get("n"), "color": customer["plan"]}
    if kind == "v_list":
        return [1]
    if kind == "currency":
        return "EUR"
    if kind in ("due", "local"):
        at = customer["due"] and datetime.fromisoformat(customer["due"])
        return at.replace(tzinfo=None) if at and kind == "local" else at
    if kind == "day":
        return customer["day"] and datetime.fromisoformat(customer["day"])
    return {"v_key": scope["key"], "v_step": scope["step"], "v_name": scope["event_name"],
            "v_zone": scope["timezone"]}[kind]


def _stamp(at, between, zone):
    """A timestamptz as PostgreSQL writes it in UTC."""
    text = at.strftime(f"%Y-%m-%d{between}%H:%M:%S")
    if at.microsecond:
        text += f".{at.microsecond:06d}".rstrip("0")
    return text + zone


def stamp_json(at):
    return _stamp(at, "T", "+00:00")


def stamp_text(at):
    return _stamp(at, " ", "+00")


TEMPLATES = {
    "plain": "n={{ event->>'n' }} a={{ context->>'a' }} p={{ customer.plan }} k={{ journey.key }}"
             " s={{ journey.step }} e={{ journey.event_name }} t={{ journey.now }}",
    "bad": "b={{ customer.bad::int }}",
    "entry": "m={{ journey.entry_event->>'n' }} v={{ journey.version }} z={{ journey.timezone }}",
}


def render(template, scope):
    """The text of a message."""
    def text(v):
        return "" if v is None else v if isinstance(v, str) else json.dumps(v)
    if template == "plain":
        return (f"n={text(_text_of_json(scope['event'].get('n')))} a={text(_text_of_json(scope['context'].get('a')))}"
                f" p={text(scope['customer']['plan'])} k={text(scope['key'])} s={scope['step']}"
                f" e={scope['event_name']} t={stamp_text(scope['now'])}")
    if template == "bad":
        return f"b={text(_integer(scope['customer']['bad']))}"
    return (f"m={text(_text_of_json(scope['entry_event'].get('n')))} v={scope['version']}"
            f" z={scope['timezone']}")


def to_sql(node):
    """The definition as journey_orch reads it: expressions become SQL."""
    if isinstance(node, dict):
        return {k: to_sql(v) for k, v in node.items()}
    if isinstance(node, list):
        if len(node) == 2 and node[0] == "expr":
            return sql(node[1])
        return [to_sql(x) for x in node]
    return node

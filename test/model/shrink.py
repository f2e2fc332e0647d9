"""test/model/shrink.py: the smallest history that still differs."""
import copy
import json


def smaller(history):
    """Histories with one thing less."""
    yield from without_people(history)
    for n, op in enumerate(history["ops"]):
        if op[1] == "act" and op[2] == "publish" and op[4]["version"] == 1:
            continue
        made = copy.deepcopy(history)
        del made["ops"][n]
        yield made
    for j, versions in history["journeys"].items():
        for v, definition in enumerate(versions):
            for path in removable(definition):
                made = copy.deepcopy(history)
                node = made["journeys"][j][v]
                for key in path[:-1]:
                    node = node[key]
                del node[path[-1]]
                yield made
            for name, step in definition["steps"].items():
                onward = next_of(step)
                if onward and onward != name:
                    made = copy.deepcopy(history)
                    made["journeys"][j][v] = without_step(made["journeys"][j][v], name, onward)
                    yield made


def without_people(history):
    for c in history["customers"]:
        if len(history["customers"]) > 1:
            made = copy.deepcopy(history)
            del made["customers"][c]
            made["ops"] = [op for op in made["ops"] if op[1] == "act" or op[2] != c]
            yield made
    for j in history["journeys"]:
        if len(history["journeys"]) > 1:
            made = copy.deepcopy(history)
            del made["journeys"][j]
            made["ops"] = [op for op in made["ops"] if op[3:4] != [j]]
            yield made


def removable(definition):
    """Paths to what a definition can do without."""
    for key in ("goal", "exit", "priority", "timezone", "description", "absent_customer", "deleted_customer"):
        if key in definition:
            yield [key]
    for key in ("when", "key", "reentry", "holdout", "caps"):
        if key in definition["entry"]:
            yield ["entry", key]
    for key in ("when", "match_key", "of", "within", "exit", "value"):
        if key in definition.get("goal", {}) and not (key == "value" and "currency" in definition["goal"]):
            yield ["goal", key]
    for n in range(len(definition.get("exit", []))):
        if len(definition["exit"]) > 1:
            yield ["exit", n]
    for name, step in definition["steps"].items():
        for key in ("on_failure", "restart_on", "convert"):
            if key in step:
                yield ["steps", name, key]
        branches = step.get("wait", {}).get("for", [])
        for n in range(len(branches)):
            if len(branches) > 1:
                yield ["steps", name, "wait", "for", n]


def next_of(step):
    """A step that follows, unless this one is an exit."""
    for onward in (step.get("next"), step.get("else"), step.get("wait", {}).get("until", {}).get("next")):
        if isinstance(onward, str):
            return onward
        if isinstance(onward, dict):
            return next(iter(onward.values()))
    return None


def without_step(definition, name, onward):
    """A definition in which a step is skipped."""
    del definition["steps"][name]

    def walk(node, key=None):
        if isinstance(node, dict):
            return {k: walk(v, k) for k, v in node.items()}
        if isinstance(node, list):
            return [walk(x) for x in node]
        return onward if node == name and key != "journey" else node
    definition["start"] = walk(definition["start"])
    definition["steps"] = walk(definition["steps"])
    return definition


def shrink(history, compare):
    """Take away what can go while compare(histories) still finds a difference."""
    found = compare([history]).get(0)
    if not found:
        return history, None
    for _ in range(30):
        candidates = list(smaller(history))
        failures = failing(candidates, compare)
        if not failures:
            break
        best = min(failures, key=lambda n: len(json.dumps(candidates[n])))
        history, found = candidates[best], failures[best]
    return history, found


def failing(candidates, compare):
    """Which candidates differ; one that the engine refuses spoils only its half."""
    try:
        return {n: text for n, text in compare(candidates).items() if isinstance(n, int)}
    except RuntimeError:
        if len(candidates) == 1:
            return {}
    middle = len(candidates) // 2
    found = failing(candidates[:middle], compare)
    if found:
        return found
    return {n + middle: text for n, text in failing(candidates[middle:], compare).items()}

/*
 * enrollment/decision.c
 *	  What decided about time, as column "decision" of the step log keeps it.
 *
 * Entry "due" stands in the row that armed a due time, "passed" in the row of a
 * step that was passed or ended at once, "late" where a timer fired later than
 * the journey's late_after.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "enrollment/batch.h"

static void
push_key(JsonbParseState **state, const char *name)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &key);
}

static void
push_text(JsonbParseState **state, const char *name, const char *text)
{
	JsonbValue	value;

	if (text == NULL)
		return;
	push_key(state, name);
	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = strlen(text);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* Microseconds as a number of seconds. */
static void
push_seconds(JsonbParseState **state, const char *name, int64 microseconds)
{
	JsonbValue	value;

	push_key(state, name);
	value.type = jbvNumeric;
	value.val.numeric = int64_div_fast_to_numeric(microseconds, 6);
	pushJsonbValue(state, WJB_VALUE, &value);
}

/* A date or timestamp in ISO 8601; an instant in UTC. */
static void
push_date(JsonbParseState **state, const char *name, Datum date, Oid type)
{
	char		buffer[MAXDATELEN + 1];
	int			utc = 0;

	push_text(state, name, JsonEncodeDateTime(buffer, date, type, &utc));
}

Jsonb *
jo_decision_of_note(const JoDueNote *note)
{
	JsonbParseState *state = NULL;

	if (note->timezone == NULL)
		return NULL;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_text(&state, "timezone", note->timezone);
	push_text(&state, "timezone_of", note->timezone_of);
	push_text(&state, "unknown_timezone", note->unknown_timezone);
	if (note->has_date)
		push_date(&state, "date", note->date, note->date_type);
	if (note->jitter != 0)
		push_seconds(&state, "jitter", note->jitter);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

bool
jo_decision_is_late(const JoRun *run)
{
	return run->due_at != JO_NO_TIME &&
		run->member->now > jo_duration_add(run->due_at,
										   &run->graph->late_after,
										   jo_run_timezone(run));
}

Jsonb *
jo_decision_of_lateness(const JoRun *run)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_date(&state, "due_at", TimestampTzGetDatum(run->due_at),
			  TIMESTAMPTZOID);
	push_seconds(&state, "seconds", run->member->now - run->due_at);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

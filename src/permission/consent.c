/*
 * permission/consent.c
 *	  What a customer has said about messages of a channel and topic.
 *
 * A row of table consent says something about one channel or all (NULL), and
 * one topic or all.  Rows that apply are read from the newest back; what is
 * newer counts, whether it is more or less specific:
 *
 *	granted, not expired	granted
 *	granted, expired		expired, unless an older row still grants
 *	pending, not expired	pending, unless an older row still grants
 *	pending, expired		as if it were not there
 *	denied, withdrawn		that ends the search
 *
 * What is only implied by a purchase or an inquiry never brings back what was
 * denied or withdrawn before it.
 *
 * Newest means the largest (at, consent_id); "at" never goes back within a
 * customer, but for consents that were recorded later than they were given.
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/clock.h"
#include "core/errors.h"
#include "permission/consent.h"

PG_FUNCTION_INFO_V1(journey_orch_consent_state);

/* Columns of table consent, in order. */
enum
{
	CONSENT_ID,
	CONSENT_CUSTOMER_ID,
	CONSENT_CHANNEL,
	CONSENT_TOPIC,
	CONSENT_STATE,
	CONSENT_BASIS,
	CONSENT_AT,
	CONSENT_EXPIRES_AT,
	CONSENT_SOURCE,
	CONSENT_METHOD
};

/* In the order of JoConsentState. */
static const char *const states[] = {
	"unknown", "pending", "granted", "denied", "withdrawn", "expired"
};

typedef struct Statement
{
	int64		consent_id;
	JoConsentState state;
	bool		names_topic;
	bool		is_implied;
	bool		is_written;
	TimestampTz at;
	TimestampTz expires_at;		/* JO_NO_TIME: never */
} Statement;

const char *
jo_consent_state_name(JoConsentState state)
{
	return states[state];
}

static JoConsentState
state_of(const char *name)
{
	for (int i = 0; i < lengthof(states); i++)
		if (strcmp(states[i], name) == 0)
			return i;
	elog(ERROR, "unexpected state \"%s\" of a consent", name);
}

/* Does a row about "said" speak about "asked"?  NULL is all. */
static bool
covers(const char *said, const char *asked)
{
	return said == NULL || (asked != NULL && strcmp(said, asked) == 0);
}

/* Newest first. */
static int
compare_statements(const void *a, const void *b)
{
	const Statement *left = a;
	const Statement *right = b;

	if (left->at != right->at)
		return left->at > right->at ? -1 : 1;
	return left->consent_id > right->consent_id ? -1 : 1;
}

/* The rows that apply, newest first. */
static Statement *
read_statements(JoProbe *probe, const char *customer_id, const char *channel,
				const char *topic, TimestampTz as_of, int *n)
{
	int			room = 8;
	Statement  *found = palloc(room * sizeof(Statement));
	TupleTableSlot *slot;

	*n = 0;
	jo_probe_find_text(probe, customer_id);
	while ((slot = jo_probe_next(probe)) != NULL)
	{
		Statement  *statement;
		const char *method;

		if (!covers(jo_probe_text(slot, CONSENT_CHANNEL), channel) ||
			!covers(jo_probe_text(slot, CONSENT_TOPIC), topic) ||
			(as_of != JO_NO_TIME && jo_probe_time(slot, CONSENT_AT) > as_of))
			continue;
		if (*n == room)
		{
			room *= 2;
			found = repalloc(found, room * sizeof(Statement));
		}
		statement = &found[(*n)++];
		statement->consent_id = DatumGetInt64(slot->tts_values[CONSENT_ID]);
		statement->state = state_of(jo_probe_text(slot, CONSENT_STATE));
		statement->is_implied = strcmp(jo_probe_text(slot, CONSENT_BASIS),
									   "consent") != 0;
		statement->names_topic = !slot->tts_isnull[CONSENT_TOPIC];
		method = jo_probe_text(slot, CONSENT_METHOD);
		statement->is_written = method != NULL && strcmp(method, "written") == 0;
		statement->at = jo_probe_time(slot, CONSENT_AT);
		statement->expires_at = jo_probe_time(slot, CONSENT_EXPIRES_AT);
	}
	if (*n > 1)
		qsort(found, *n, sizeof(Statement), compare_statements);
	return found;
}

/* The newest of them that denies or withdraws; "n" when none does. */
static int
find_stop(const Statement *statements, int n)
{
	int			i = 0;

	while (i < n && statements[i].state != JO_CONSENT_DENIED &&
		   statements[i].state != JO_CONSENT_WITHDRAWN)
		i++;
	return i;
}

static void
decide(JoConsent *consent, JoConsentState state, const Statement *statement)
{
	consent->state = state;
	consent->names_topic = statement->names_topic;
	consent->consent_id = statement->consent_id;
}

void
jo_consent_read(JoProbe *probe, const char *customer_id, const char *channel,
				const char *topic, TimestampTz as_of, TimestampTz clock,
				JoConsent *consent)
{
	int			n;
	Statement  *statements = read_statements(probe, customer_id, channel, topic,
											 as_of, &n);
	int			stop = find_stop(statements, n);
	TimestampTz now = as_of != JO_NO_TIME ? as_of : clock;

	memset(consent, 0, sizeof(JoConsent));
	consent->was_stopped = stop < n;
	for (int i = 0; i < stop; i++)
	{
		const Statement *statement = &statements[i];
		bool		is_over = statement->expires_at != JO_NO_TIME &&
		statement->expires_at <= now;
		JoConsentState state = statement->state;

		if (statement->is_implied && consent->was_stopped)
			continue;
		if (is_over && state == JO_CONSENT_PENDING)
			continue;
		if (is_over)
			state = JO_CONSENT_EXPIRED;
		if (consent->consent_id == 0 ||
			(state == JO_CONSENT_GRANTED && consent->state != state))
			decide(consent, state, statement);
		if (state == JO_CONSENT_GRANTED && statement->is_written)
			consent->is_written = true;
	}
	if (consent->consent_id == 0 && stop < n)
		decide(consent, statements[stop].state, &statements[stop]);
	pfree(statements);
}

static char *
optional_text(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* SQL: consent_state(customer, channel, topic, as_of) */
Datum
journey_orch_consent_state(PG_FUNCTION_ARGS)
{
	char	   *customer = optional_text(fcinfo, 0);
	JoProbe    *probe;
	JoConsent	consent;

	if (customer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						"customer", "consent_state")));
	probe = jo_probe_open("consent", 2, GetActiveSnapshot());
	jo_consent_read(probe, customer, optional_text(fcinfo, 1),
					optional_text(fcinfo, 2),
					PG_ARGISNULL(3) ? JO_NO_TIME : PG_GETARG_TIMESTAMPTZ(3),
					jo_clock_now(), &consent);
	jo_probe_close(probe);
	PG_RETURN_TEXT_P(cstring_to_text(jo_consent_state_name(consent.state)));
}

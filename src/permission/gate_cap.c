/*
 * permission/gate_cap.c
 *	  Gate "cap": he has had as many messages as he may.
 *
 * Counted is what was handed out and is acked or held; what failed, expired or
 * was withdrawn gave its allowance back.  Of a rolling cap a message counts for
 * exactly its period from the instant at which it was handed out; of a calendar
 * cap until the end of the customer's own day, week (from Monday) or month.
 *
 * A customer's messages are read once a claim, and what the claim hands out is
 * added in memory and written when it ends.  A message that is offered again
 * after its lease ran out has its row already: it does not count against
 * itself, and is not counted twice.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/datetime.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/civil.h"
#include "core/clock.h"
#include "permission/cap.h"
#include "permission/evidence.h"
#include "permission/gate.h"
#include "permission/place.h"

typedef struct Customer
{
	const char *customer_id;	/* hash key */
	uint32		status;			/* of the hash table */
	List	   *uses;			/* JoCapUse, oldest first */
} Customer;

#define SH_PREFIX customers
#define SH_ELEMENT_TYPE Customer
#define SH_KEY_TYPE const char *
#define SH_KEY customer_id
#define SH_HASH_KEY(tb, key) hash_bytes((const unsigned char *) key, strlen(key))
#define SH_EQUAL(tb, a, b) (strcmp(a, b) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct JoCapCount
{
	struct customers_hash *customers;
	List	   *added;			/* JoCapUse, to be written at the end */
};

/* The time in which a cap counts now. */
typedef struct Period
{
	TimestampTz after;			/* a use counts when it is later */
	TimestampTz end;			/* of a calendar cap; else JO_NO_TIME */
	const char *timezone;		/* of a calendar cap; else NULL */
} Period;

bool
jo_gate_cap_is_active(JoGates *gates)
{
	bool		is_active = jo_caps_begin() != NIL;

	jo_caps_end();
	return is_active;
}

static bool
is_counted_now(const JoGates *gates, const JoGateQuestion *question)
{
	return gates->stage == JO_GATE_AT_CLAIM || question->is_stream;
}

/* The caps that are about the message.  Between jo_caps_begin() and end. */
static List *
covering_caps(List *caps, const JoGateQuestion *question)
{
	List	   *covering = NIL;
	ListCell   *cell;

	foreach(cell, caps)
	{
		const JoCap *cap = lfirst(cell);

		if (jo_scope_covers(&cap->scope, question->channel, question->topic,
							question->journey))
			covering = lappend(covering, lfirst(cell));
	}
	return covering;
}

/* What the customer has had as far back as any cap looks. */
static Customer *
get_customer(JoGates *gates, const char *customer_id)
{
	MemoryContext caller = MemoryContextSwitchTo(gates->context);
	Customer   *customer;
	bool		found;

	if (gates->caps == NULL)
	{
		gates->caps = palloc0(sizeof(JoCapCount));
		gates->caps->customers = customers_create(gates->context, 64, NULL);
	}
	customer = customers_lookup(gates->caps->customers, customer_id);
	if (customer == NULL)
	{
		List	   *uses = jo_cap_uses_read(customer_id,
											gates->clock - jo_caps_longest(),
											gates->snapshot);

		customer = customers_insert(gates->caps->customers,
									pstrdup(customer_id), &found);
		customer->uses = uses;
	}
	MemoryContextSwitchTo(caller);
	return customer;
}

/* Is it the message of the question? */
static bool
is_itself(const JoCapUse *use, const JoGateQuestion *question)
{
	return question->message_id != NULL &&
		memcmp(&use->message_id, question->message_id, UUID_LEN) == 0;
}

/* Day, week or month of the customer's own calendar. */
static void
find_calendar_period(const JoCap *cap, const JoGateQuestion *question,
					 TimestampTz clock, Period *period)
{
	JoClockPolicy policy = {0};
	JoPlace		place;
	Timestamp	start;
	Timestamp	end = 0;
	int			date;

	jo_place_find(question, &place);
	start = jo_civil_day(jo_civil_local(clock, place.zones[0]));
	date = start / USECS_PER_DAY + POSTGRES_EPOCH_JDATE;
	if (cap->months > 0)
	{
		int			year;
		int			month;
		int			day;

		j2date(date, &year, &month, &day);
		start -= (day - 1) * USECS_PER_DAY;
	}
	else if (cap->days == 7)
		start -= (j2day(date) + 6) % 7 * USECS_PER_DAY;
	period->timezone = place.names[0];
	if (!jo_civil_add(start, cap->months, cap->days, &end) ||
		!jo_civil_instant(start, place.zones[0], policy, &period->after) ||
		!jo_civil_instant(end, place.zones[0], policy, &period->end))
		elog(ERROR, "the period of cap \"%s\" is out of range", cap->name);

	/* a message at the very start counts */
	period->after--;
}

/* Does the cap refuse the message?  Then fill in the decision. */
static bool
refuses(const JoGates *gates, const JoCap *cap,
		const JoGateQuestion *question, const Customer *customer,
		JoGateDecision *decision)
{
	Period		period = {gates->clock - cap->per, JO_NO_TIME, NULL};
	List	   *counted = NIL;
	JoEvidence	evidence = {0};
	const JoCapUse *freeing;
	ListCell   *cell;

	if (cap->per == 0)
		find_calendar_period(cap, question, gates->clock, &period);
	foreach(cell, customer->uses)
	{
		const JoCapUse *use = lfirst(cell);

		if (use->at > period.after && !is_itself(use, question) &&
			jo_scope_covers(&cap->scope, use->channel, use->topic,
							use->journey))
			counted = lappend(counted, lfirst(cell));
	}
	if (list_length(counted) < cap->max)
		return false;

	freeing = list_nth(counted, list_length(counted) - cap->max);
	decision->rule = pstrdup(cap->name);
	decision->reason = "capped";
	decision->ends_run = cap->action == JO_CAP_EXIT;
	decision->answer = cap->action == JO_CAP_DEFER ? JO_GATE_DEFER :
		JO_GATE_WITHHOLD;
	decision->until = JO_NO_TIME;
	if (cap->action == JO_CAP_DEFER)
		decision->until = cap->per > 0 ? freeing->at + cap->per : period.end;
	jo_evidence_int(&evidence, "count", list_length(counted));
	jo_evidence_int(&evidence, "max", cap->max);
	jo_evidence_time(&evidence, "since", cap->per > 0 ? period.after :
					 period.after + 1);
	jo_evidence_time(&evidence, "until", period.end);
	jo_evidence_text(&evidence, "timezone", period.timezone);
	jo_evidence_time(&evidence, "oldest",
					 ((JoCapUse *) linitial(counted))->at);
	decision->evidence = jo_evidence_end(&evidence);
	return true;
}

/* What is not handed out now gives its allowance back: it does not count for
 * others of this claim either. */
static void
forget_itself(Customer *customer, const JoGateQuestion *question)
{
	ListCell   *cell;

	foreach(cell, customer->uses)
	{
		if (is_itself(lfirst(cell), question))
			customer->uses = foreach_delete_current(customer->uses, cell);
	}
}

/*
 * A cap that withholds decides before those that defer; of these the one that
 * defers longest.
 */
void
jo_gate_cap(JoGates *gates, const JoGateQuestion *question,
			JoGateDecision *decision)
{
	List	   *covering;
	ListCell   *cell;

	if (!is_counted_now(gates, question))
		return;
	covering = covering_caps(jo_caps_begin(), question);
	if (covering != NIL)
	{
		Customer   *customer = get_customer(gates, question->customer_id);

		foreach(cell, covering)
		{
			JoGateDecision refusal = *decision;

			if (!refuses(gates, lfirst(cell), question, customer, &refusal))
				continue;
			if (decision->answer == JO_GATE_ALLOW ||
				refusal.answer == JO_GATE_WITHHOLD ||
				refusal.until > decision->until)
				*decision = refusal;
			if (decision->answer == JO_GATE_WITHHOLD)
				break;
		}
		if (decision->answer != JO_GATE_ALLOW)
			forget_itself(customer, question);
	}
	jo_caps_end();
}

void
jo_cap_count(JoGates *gates, const JoGateQuestion *question)
{
	MemoryContext caller = MemoryContextSwitchTo(gates->context);

	if (is_counted_now(gates, question) &&
		covering_caps(jo_caps_begin(), question) != NIL)
	{
		Customer   *customer = get_customer(gates, question->customer_id);
		JoCapUse   *use = palloc0(sizeof(JoCapUse));
		bool		is_known = false;
		ListCell   *cell;

		foreach(cell, customer->uses)
			is_known = is_known || is_itself(lfirst(cell), question);
		use->at = gates->clock;
		if (question->message_id != NULL)
			use->message_id = *question->message_id;
		use->customer_id = customer->customer_id;
		use->channel = pstrdup(question->channel);
		use->topic = question->topic ? pstrdup(question->topic) : NULL;
		use->journey = question->journey ? pstrdup(question->journey) : NULL;
		if (!is_known)
		{
			customer->uses = lappend(customer->uses, use);
			gates->caps->added = lappend(gates->caps->added, use);
		}
	}
	if (is_counted_now(gates, question))
		jo_caps_end();
	MemoryContextSwitchTo(caller);
}

void
jo_cap_end(JoGates *gates)
{
	if (gates->caps != NULL)
		jo_cap_uses_append(gates->caps->added);
}

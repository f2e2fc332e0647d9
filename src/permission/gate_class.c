/*
 * permission/gate_class.c
 *	  Gate "class": what the law lets a person refuse for a whole class of
 *	  messages, whatever he consented to.
 *
 *	objected		he objected to direct marketing, and this is marketing
 *	sale_opt_out	he opted out of the sale or sharing of his data, and this
 *					hands them to an audience of somebody else
 *	do_not_call		this is marketing on a channel that a do-not-call list is
 *					about, and his number is on it, or the list is too old to
 *					tell, and there is no written consent
 *
 * Lists are few and read into a cache; the numbers are found by index.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/cache.h"
#include "core/clock.h"
#include "permission/address.h"
#include "permission/consent.h"
#include "permission/evidence.h"
#include "permission/gate.h"

/* Columns of table objection, in order. */
enum
{
	OBJECTION_ID,
	OBJECTION_CUSTOMER_ID,
	OBJECTION_KIND,
	OBJECTION_IS_RAISED,
	OBJECTION_AT
};

/* Columns of table do_not_call_list, in order. */
enum
{
	LIST_NAME,
	LIST_CHANNELS,
	LIST_MAX_AGE,
	LIST_LISTED_AT
};

typedef struct DoNotCallList
{
	char	   *name;
	int			nchannels;
	char	  **channels;
	Interval   *max_age;
	TimestampTz listed_at;		/* JO_NO_TIME: never imported */
} DoNotCallList;

static JoCache list_cache = {
	.name = "do-not-call lists",
	.tables = {"do_not_call_list"}
};

static List *lists = NIL;		/* of DoNotCallList */

void
jo_class_init(void)
{
	jo_cache_register(&list_cache);
}

/* ---- objections ---- */

/* The newest row of the customer and kind that raises an objection, or 0. */
static int64
find_objection(JoGates *gates, const char *customer_id, const char *kind)
{
	JoProbe    *probe = jo_gates_probe(gates, JO_PROBE_OBJECTION);
	int64		newest = 0;
	TimestampTz newest_at = JO_NO_TIME;
	bool		is_raised = false;
	TupleTableSlot *slot;

	if (jo_probe_is_empty(probe))
		return 0;
	jo_probe_find_text(probe, customer_id);
	while ((slot = jo_probe_next(probe)) != NULL)
	{
		int64		id = DatumGetInt64(slot->tts_values[OBJECTION_ID]);
		TimestampTz at = jo_probe_time(slot, OBJECTION_AT);

		if (strcmp(jo_probe_text(slot, OBJECTION_KIND), kind) != 0 ||
			at < newest_at || (at == newest_at && id < newest))
			continue;
		newest = id;
		newest_at = at;
		is_raised = DatumGetBool(slot->tts_values[OBJECTION_IS_RAISED]);
	}
	return is_raised ? newest : 0;
}

static bool
ask_objection(JoGates *gates, const JoGateQuestion *question,
			  const char *kind, const char *reason, JoGateDecision *decision)
{
	int64		objection = find_objection(gates, question->customer_id, kind);
	JoEvidence	evidence = {0};

	if (objection == 0)
		return false;
	decision->answer = JO_GATE_WITHHOLD;
	decision->rule = kind;
	decision->reason = reason;
	jo_evidence_int(&evidence, "objection_id", objection);
	jo_evidence_text(&evidence, "kind", kind);
	decision->evidence = jo_evidence_end(&evidence);
	return true;
}

/* ---- do-not-call lists ---- */

static void
read_list(TupleTableSlot *slot, void *arg)
{
	MemoryContext caller = MemoryContextSwitchTo(jo_cache_context(&list_cache));
	DoNotCallList *list = palloc0(sizeof(DoNotCallList));
	Datum	   *channels;

	slot_getallattrs(slot);
	list->name = TextDatumGetCString(slot->tts_values[LIST_NAME]);
	deconstruct_array(DatumGetArrayTypePCopy(slot->tts_values[LIST_CHANNELS]),
					  TEXTOID, -1, false, TYPALIGN_INT, &channels, NULL,
					  &list->nchannels);
	list->channels = palloc(Max(1, list->nchannels) * sizeof(char *));
	for (int i = 0; i < list->nchannels; i++)
		list->channels[i] = TextDatumGetCString(channels[i]);
	list->max_age = palloc(sizeof(Interval));
	*list->max_age = *DatumGetIntervalP(slot->tts_values[LIST_MAX_AGE]);
	list->listed_at = jo_probe_time(slot, LIST_LISTED_AT);
	lists = lappend(lists, list);
	MemoryContextSwitchTo(caller);
}

static bool
is_about(const DoNotCallList *list, const char *channel)
{
	for (int i = 0; i < list->nchannels; i++)
		if (strcmp(list->channels[i], channel) == 0)
			return true;
	return false;
}

/* Is the list too old at "clock" to prove that a number is not on it? */
static bool
is_stale(const DoNotCallList *list, TimestampTz clock)
{
	const Interval *age = list->max_age;

	return list->listed_at == JO_NO_TIME ||
		list->listed_at + age->time +
		(age->day + (int64) age->month * DAYS_PER_MONTH) * USECS_PER_DAY < clock;
}


static bool
has_number(JoGates *gates, const DoNotCallList *list, const char *address)
{
	JoProbe    *probe = jo_gates_probe(gates, JO_PROBE_DO_NOT_CALL);
	bytea	   *hash;
	TupleTableSlot *slot;

	if (jo_probe_is_empty(probe) || address == NULL ||
		(hash = jo_address_hash(address)) == NULL)
		return false;
	jo_probe_find_bytes(probe, hash);
	while ((slot = jo_probe_next(probe)) != NULL)
		if (strcmp(jo_probe_text(slot, 0), list->name) == 0)
			return true;
	return false;
}

/* Consent in writing, which a do-not-call list does not stand against. */
static bool
has_written_consent(JoGates *gates, const JoGateQuestion *question)
{
	JoProbe    *probe = jo_gates_probe(gates, JO_PROBE_CONSENT);
	JoConsent	consent;

	if (jo_probe_is_empty(probe))
		return false;
	jo_consent_read(probe, question->customer_id, question->channel,
					question->topic, JO_NO_TIME, gates->clock, &consent);
	return consent.state == JO_CONSENT_GRANTED && consent.is_written;
}

static void
ask_lists(JoGates *gates, const JoGateQuestion *question,
		  JoGateDecision *decision)
{
	JoEvidence	evidence = {0};
	ListCell   *cell;

	foreach(cell, lists)
	{
		const DoNotCallList *list = lfirst(cell);
		bool		stale;

		if (!is_about(list, question->channel))
			continue;
		stale = is_stale(list, gates->clock);
		if ((!stale && !has_number(gates, list, question->address)) ||
			has_written_consent(gates, question))
			continue;
		decision->answer = JO_GATE_WITHHOLD;
		decision->rule = pstrdup(list->name);
		decision->reason = "do_not_call";
		jo_evidence_text(&evidence, "list", list->name);
		jo_evidence_text(&evidence, "fault", stale ? "stale" : "listed");
		jo_evidence_time(&evidence, "listed_at", list->listed_at);
		decision->evidence = jo_evidence_end(&evidence);
		return;
	}
}

/* Read the lists if that was not done; the caller ends the use of the cache. */
static void
begin_lists(void)
{
	if (!jo_cache_begin(&list_cache))
		return;
	lists = NIL;
	jo_cache_read_table("do_not_call_list", read_list, NULL);
	jo_cache_filled(&list_cache);
}

bool
jo_gate_class_is_active(JoGates *gates)
{
	bool		has_lists;

	begin_lists();
	has_lists = lists != NIL;
	jo_cache_end(&list_cache);
	return has_lists ||
		!jo_probe_is_empty(jo_gates_probe(gates, JO_PROBE_OBJECTION));
}

void
jo_gate_class(JoGates *gates, const JoGateQuestion *question,
			  JoGateDecision *decision)
{
	JoTopicClass class = jo_topic_class(question->topic);

	if (class == JO_CLASS_MARKETING &&
		ask_objection(gates, question, "marketing", "objected", decision))
		return;
	if (class != JO_CLASS_LEGAL && question->channel_kind != NULL &&
		strcmp(question->channel_kind, "audience") == 0 &&
		ask_objection(gates, question, "sale", "sale_opt_out", decision))
		return;
	if (class != JO_CLASS_MARKETING)
		return;
	begin_lists();
	ask_lists(gates, question, decision);
	jo_cache_end(&list_cache);
}

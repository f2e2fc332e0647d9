/*
 * permission/gate_suppression.c
 *	  Gate "suppression": nothing goes to this address, whatever its owner once
 *	  consented to.
 *
 * A row of table suppressed_address stops a channel or all (NULL) and a topic
 * or all.  What the recipient did not want (complaint, unsubscribed) and what a
 * role account should not get does not stop what he is owed: classes
 * transactional and legal.
 */
#include "postgres.h"

#include "core/clock.h"
#include "permission/address.h"
#include "permission/evidence.h"
#include "permission/gate.h"

/* Columns of table suppressed_address, in order. */
enum
{
	SUPPRESSED_ID,
	SUPPRESSED_HASH,
	SUPPRESSED_CHANNEL,
	SUPPRESSED_TOPIC,
	SUPPRESSED_REASON,
	SUPPRESSED_EXPIRES_AT,
	SUPPRESSED_LIFTED_AT
};

/* Does this reason stop what the recipient is owed? */
static bool
stops_owed(const char *reason)
{
	return strcmp(reason, "hard_bounce") == 0 ||
		strcmp(reason, "manual") == 0 ||
		strcmp(reason, "legal") == 0 ||
		strcmp(reason, "erased") == 0;
}

/* NULL is all. */
static bool
covers(const char *suppressed, const char *asked)
{
	return suppressed == NULL ||
		(asked != NULL && strcmp(suppressed, asked) == 0);
}

static bool
applies(TupleTableSlot *slot, const JoGates *gates,
		const JoGateQuestion *question, bool is_owed)
{
	TimestampTz expires_at = jo_probe_time(slot, SUPPRESSED_EXPIRES_AT);

	return slot->tts_isnull[SUPPRESSED_LIFTED_AT] &&
		(expires_at == JO_NO_TIME || expires_at > gates->clock) &&
		covers(jo_probe_text(slot, SUPPRESSED_CHANNEL), question->channel) &&
		covers(jo_probe_text(slot, SUPPRESSED_TOPIC), question->topic) &&
		(!is_owed || stops_owed(jo_probe_text(slot, SUPPRESSED_REASON)));
}

bool
jo_gate_suppression_is_active(JoGates *gates)
{
	return !jo_probe_is_empty(jo_gates_probe(gates, JO_PROBE_SUPPRESSION));
}

void
jo_gate_suppression(JoGates *gates, const JoGateQuestion *question,
					JoGateDecision *decision)
{
	JoProbe    *probe = jo_gates_probe(gates, JO_PROBE_SUPPRESSION);
	JoEvidence	evidence = {0};
	JoTopicClass class;
	bytea	   *hash;
	TupleTableSlot *slot;

	if (jo_probe_is_empty(probe) || question->address == NULL)
		return;
	hash = jo_address_hash(question->address);
	if (hash == NULL)
		return;
	class = jo_topic_class(question->topic);
	jo_probe_find_bytes(probe, hash);
	while ((slot = jo_probe_next(probe)) != NULL)
	{
		if (!applies(slot, gates, question,
					 class == JO_CLASS_TRANSACTIONAL || class == JO_CLASS_LEGAL))
			continue;
		decision->answer = JO_GATE_WITHHOLD;
		decision->rule = jo_probe_text(slot, SUPPRESSED_REASON);
		decision->reason = "suppressed";
		jo_evidence_int(&evidence, "suppression_id",
						DatumGetInt64(slot->tts_values[SUPPRESSED_ID]));
		jo_evidence_text(&evidence, "reason", decision->rule);
		jo_evidence_text(&evidence, "channel",
						 jo_probe_text(slot, SUPPRESSED_CHANNEL));
		jo_evidence_text(&evidence, "topic",
						 jo_probe_text(slot, SUPPRESSED_TOPIC));
		decision->evidence = jo_evidence_end(&evidence);
		break;
	}
	pfree(hash);
}

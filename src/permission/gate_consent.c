/*
 * permission/gate_consent.c
 *	  Gate "consent": the customer has said that he wants this, or has not said
 *	  that he does not.
 *
 * Consent is asked for by the topic.  A topic of class marketing honours what
 * was denied or withdrawn, even if it was declared to need no consent; one of
 * class service that needs none is stopped by who said so of that topic, not of
 * all.  Classes transactional and legal are never stopped here.
 *
 * A channel may ask for more (opt_in: whatever the topic says), or for nothing
 * (none), where it shows only what belongs to the service.
 */
#include "postgres.h"

#include "core/clock.h"
#include "permission/consent.h"
#include "permission/evidence.h"
#include "permission/gate.h"

/* In the order of JoTopicConsent. */
static const char *const needs[] = {"opt_in", "opt_out", "none"};

static bool
is_enough(const JoConsent *consent, JoTopicConsent needed)
{
	if (needed == JO_CONSENT_NONE && !consent->names_topic)
		return true;
	switch (consent->state)
	{
		case JO_CONSENT_GRANTED:
			return true;
		case JO_CONSENT_UNKNOWN:
			return needed != JO_CONSENT_OPT_IN;
		case JO_CONSENT_EXPIRED:
			return needed != JO_CONSENT_OPT_IN && !consent->was_stopped;
		case JO_CONSENT_PENDING:
		case JO_CONSENT_DENIED:
		case JO_CONSENT_WITHDRAWN:
			break;
	}
	return false;
}

JoChannelsNeedConsent jo_channels_need_consent = NULL;

bool
jo_gate_consent_is_active(JoGates *gates)
{
	return !jo_probe_is_empty(jo_gates_probe(gates, JO_PROBE_CONSENT)) ||
		jo_topic_needs_opt_in() ||
		(jo_channels_need_consent != NULL && jo_channels_need_consent());
}

void
jo_gate_consent(JoGates *gates, const JoGateQuestion *question,
				JoGateDecision *decision)
{
	JoTopicConsent needed = jo_topic_consent(question->topic);
	JoTopicClass class = jo_topic_class(question->topic);
	JoConsent	consent = {0};
	JoEvidence	evidence = {0};
	JoProbe    *probe;

	if (question->channel_consent != NULL)
	{
		if (strcmp(question->channel_consent, "none") == 0)
			return;
		if (strcmp(question->channel_consent, "opt_in") == 0)
			needed = JO_CONSENT_OPT_IN;
	}
	if (class == JO_CLASS_TRANSACTIONAL || class == JO_CLASS_LEGAL ||
		(needed == JO_CONSENT_NONE && question->topic == NULL))
		return;
	if (needed == JO_CONSENT_NONE && class == JO_CLASS_MARKETING)
		needed = JO_CONSENT_OPT_OUT;
	probe = jo_gates_probe(gates, JO_PROBE_CONSENT);
	if (!jo_probe_is_empty(probe))
		jo_consent_read(probe, question->customer_id, question->channel,
						question->topic, JO_NO_TIME, gates->clock, &consent);
	if (is_enough(&consent, needed))
		return;
	decision->answer = JO_GATE_WITHHOLD;
	decision->reason = "no_consent";
	jo_evidence_text(&evidence, "channel", question->channel);
	jo_evidence_text(&evidence, "topic", question->topic);
	jo_evidence_text(&evidence, "needed", needs[needed]);
	jo_evidence_text(&evidence, "state", jo_consent_state_name(consent.state));
	if (consent.consent_id != 0)
		jo_evidence_int(&evidence, "consent_id", consent.consent_id);
	decision->evidence = jo_evidence_end(&evidence);
}

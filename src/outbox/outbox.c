/*
 * outbox/outbox.c
 *	  Settings of the room, and its init function.
 */
#include "postgres.h"

#include <limits.h>

#include "utils/guc.h"

#include "outbox/outbox.h"
#include "outbox/reporting.h"

int			jo_claim_freshness = 100;
int			jo_max_expired_claims = 5;
int			jo_max_poll = 1000;
bool		jo_notify = true;
bool		jo_relay_synchronous_commit = false;

static void
define_claim_settings(void)
{
	DefineCustomIntVariable("journey_orch.claim_freshness",
							"Sets how long claim() waits when all messages belong to customers with events that are not applied.",
							"Such a message, and those behind it in its lane, then wait for the next call.  0 does not wait; -1 hands out without looking, so that a message may go out although the event that withdraws it is committed.",
							&jo_claim_freshness,
							100, -1, 60000,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("journey_orch.max_expired_claims",
							"Sets after how many expired claims a message is given up.",
							"A message whose relays always die holding it ends in view dead_letter.",
							&jo_max_expired_claims,
							5, 1, 1000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	DefineCustomBoolVariable("journey_orch.relay_synchronous_commit",
							 "Makes claim(), ack(), nack() and extend() wait for the disk.",
							 "Off, a transaction that wrote nothing else commits asynchronously: a crash of the server can forget it, and its messages are offered again.",
							 &jo_relay_synchronous_commit,
							 false,
							 PGC_USERSET, 0,
							 NULL, NULL, NULL);
}

void
jo_outbox_init(void)
{
	define_claim_settings();
	DefineCustomIntVariable("journey_orch.max_poll",
							"Sets the longest time that a waiting relay does not look for messages.",
							"wait_for_messages() looks at least this often; a relay that uses LISTEN should do the same.",
							&jo_max_poll,
							1000, 10, 3600000,
							PGC_USERSET, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomBoolVariable("journey_orch.notify",
							 "Sends NOTIFY \"journey_orch.<channel>\" when messages are enqueued.",
							 "One empty notification a channel and batch.  Turn it off where no relay uses LISTEN.",
							 &jo_notify,
							 true,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	DefineCustomBoolVariable("journey_orch.complaint_halt",
							 "Halts a channel when too many of its messages are complained about.",
							 "The complaint that brings a sender over the limit of view complaint_share halts its channel; off, health() warns.",
							 &jo_complaint_halt,
							 false,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);
	jo_channel_init();
	jo_paused_init();
	jo_queues_init();
	jo_bell_init();
	jo_receipt_init();
	jo_machine_init();
}

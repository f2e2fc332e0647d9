/*
 * enrollment/kept.c
 *	  Messages that stay with a customer after they went out.
 *
 * A message of an inbox channel is live from the moment it is enqueued: its row
 * in table message, in state live, is what inbox() reads, and goes when the
 * customer has dismissed or redeemed it, when it expires, and when its run is
 * ended by a goal or an exit rule.
 *
 * A message of an audience channel adds the customer to an audience, and whoever
 * was handed the add will be handed the remove, when the run ends in any way or
 * converts; an add that nobody was handed needs none.  The row says which:
 *
 *	enqueued	the add is out; a relay may have it or not
 *	member		a relay has acknowledged it
 *	leaving		the run has ended while the add was out: what the relay or
 *				the claim says of it decides
 *
 * Of an add that it passes over claim() says so (message.withdrawn, .expired,
 * .withheld, .deferred), but once a lease of it has run out it says that it
 * failed: the relay may have done it.  An add that failed counts as handed out.
 */
#include "postgres.h"

#include "core/identity.h"
#include "enrollment/json.h"
#include "enrollment/kept.h"
#include "enrollment/message.h"

static bool
is_of_kind(const char *channel_name, const char *kind)
{
	const JoChannel *channel = jo_channel_find(channel_name);

	return channel != NULL && jo_streq(channel->kind, kind);
}

/* Does a message of this channel need a row as long as it is with the
 * customer? */
bool
jo_kept_channel(const char *channel)
{
	return is_of_kind(channel, "inbox") || jo_kept_is_audience(channel);
}

/* Of an audience, whose claims must always say what they did? */
bool
jo_kept_is_audience(const char *channel)
{
	return is_of_kind(channel, "audience");
}

/* Is this the payload of a remove?  It is never withdrawn. */
bool
jo_kept_is_remove(const JoAttempt *attempt)
{
	return jo_kept_is_audience(attempt->channel) &&
		jo_streq(jo_json_string(attempt->payload, "operation"), "remove");
}

/* An attempt of a message with a row has gone out; true: it keeps its row. */
bool
jo_kept_out(JoMember *member, JoMessage *message)
{
	const char *channel = message->attempt.channel;

	if (is_of_kind(channel, "inbox"))
	{
		message->state = "live";
		message->due_at = message->attempt.expires_at;
		jo_due_add_message(member, message);
		return true;
	}
	return jo_kept_is_audience(channel) && !jo_kept_is_remove(&message->attempt);
}

/* A message is due; true when it was live, and its time is over. */
bool
jo_kept_expire(JoMessage *message)
{
	if (!jo_streq(message->state, "live"))
		return false;
	message->due_at = JO_NO_TIME;
	message->is_settled = true;
	message->is_changed = true;
	return true;
}

/* A relay has acknowledged the message; true: it keeps its row. */
bool
jo_kept_sent(JoMessage *message)
{
	if (!jo_kept_is_audience(message->attempt.channel) ||
		jo_kept_is_remove(&message->attempt))
		return false;
	message->state = "member";
	message->due_at = JO_NO_TIME;
	return true;
}

/* Hand the remove to the outbox: a message of its own. */
static void
remove_member(JoBatch *batch, JoMember *member, const JoMessage *message)
{
	JoAttempt	attempt = message->attempt;

	jo_message_id(&attempt.message_id, &attempt.enrollment_id, -attempt.visit);
	jo_message_id_place(&attempt.message_id, batch->lane,
						jo_outbox_position(attempt.priority,
										   batch->cursor.next_outbox));
	attempt.payload = jo_json_put_string(attempt.payload, "operation",
										 "remove");
	attempt.event_id = member->event != NULL ? member->event->seq : 0;
	attempt.enqueued_at = member->now;
	attempt.expires_at = JO_NO_TIME;
	attempt.attempt = 1;
	attempt.failures = 0;
	attempt.is_awaited = false;
	jo_message_append(batch, member, message->run, &attempt);
}

static void
settle(JoMessage *message)
{
	message->due_at = JO_NO_TIME;
	message->is_settled = true;
	message->is_changed = true;
}

/* No further attempt of the message will be made: an add that a relay may have
 * done is taken back at once. */
void
jo_kept_withhold(JoBatch *batch, JoMember *member, const JoMessage *message)
{
	if (message->attempt.failures > 0 &&
		jo_kept_is_audience(message->attempt.channel) &&
		!jo_kept_is_remove(&message->attempt))
		remove_member(batch, member, message);
}

/*
 * The run ends, or converts: its customer leaves the audiences that it has
 * added him to.  Of adds that are still out it is decided later.
 */
void
jo_kept_leave(JoBatch *batch, JoRun *run)
{
	ListCell   *cell;

	foreach(cell, run->messages)
	{
		JoMessage  *message = lfirst(cell);

		if (message->is_settled || jo_streq(message->state, "leaving") ||
			!jo_kept_is_audience(message->attempt.channel) ||
			jo_kept_is_remove(&message->attempt))
			continue;
		if (jo_streq(message->state, "enqueued"))
		{
			message->state = "leaving";
			message->is_changed = true;
			continue;
		}
		if (jo_streq(message->state, "member") || message->attempt.failures > 0)
			remove_member(batch, run->member, message);
		settle(message);
	}
}

/* Does the message name a report on a customer's own doing that ends it? */
static bool
is_over(const char *event_name)
{
	return jo_streq(event_name, "message.dismissed") ||
		jo_streq(event_name, "message.redeemed");
}

/*
 * Apply a report; true when it was about a message that is kept, and nothing
 * else is to be done for it.
 */
bool
jo_kept_report(JoBatch *batch, JoMember *member, const JoEvent *event,
			   const pg_uuid_t *message_id)
{
	JoMessage  *message = jo_member_message(member, message_id);
	bool		was_handed;

	if (message == NULL || message->is_settled)
		return false;
	if (jo_streq(message->state, "live"))
	{
		if (is_over(event->name))
			settle(message);
		return true;
	}
	if (!jo_streq(message->state, "leaving"))
		return false;
	was_handed = jo_streq(event->name, "message.sent") ||
		jo_streq(event->name, "message.failed");
	if (!was_handed && !jo_streq(event->name, "message.withdrawn") &&
		!jo_streq(event->name, "message.expired") &&
		!jo_streq(event->name, "message.withheld") &&
		!jo_streq(event->name, "message.deferred"))
		return false;
	if (was_handed || message->attempt.failures > 0)
		remove_member(batch, member, message);
	settle(message);
	return true;
}

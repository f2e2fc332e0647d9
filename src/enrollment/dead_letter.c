/*
 * enrollment/dead_letter.c
 *	  What becomes of a dead letter when an operator says so: it is sent again,
 *	  or settled.
 *
 * Both are commands to the customer's lane, which is the one writer of its
 * messages.  A message that is sent again is due at once, under its id and with
 * a new attempt, and meets the gates like any other; its failures are counted
 * anew.  Its run does not come back: what was decided when the message died
 * stays decided.
 */
#include "postgres.h"

#include "enrollment/dead_letter.h"
#include "enrollment/message.h"
#include "enrollment/json.h"

/* May the run still try other channels for the message? */
static bool
is_being_tried(const JoMessage *message)
{
	const JoRun *run = message->run;

	return run != NULL && run->state != JO_ENROLLMENT_ENDED &&
		run->visit == message->attempt.visit;
}

/* The rule by which the message is not sent again, or NULL. */
static const char *
refusal(const JoBatch *batch, const JoMember *member, const JoMessage *message)
{
	TimestampTz expires_at = message->attempt.expires_at;

	if (is_being_tried(message))
		return "being_tried";
	if (jo_message_is_withdrawn(batch, message))
		return "withdrawn";
	if (expires_at != JO_NO_TIME && expires_at <= member->now)
		return "expired";
	return NULL;
}

/* The dead letter that the command is about, or NULL. */
static JoMessage *
find_dead_letter(JoMember *member)
{
	pg_uuid_t	message_id;
	JoMessage  *message;

	if (!jo_json_uuid(member->event->payload, "message_id", &message_id))
		return NULL;
	message = jo_member_message(member, &message_id);
	return message != NULL && jo_streq(message->state, "dead") ? message : NULL;
}

/* Apply "$redeliver". */
void
jo_dead_letter_redeliver(JoBatch *batch, JoMember *member)
{
	JoMessage  *message = find_dead_letter(member);
	const char *rule = "not_dead";

	if (message != NULL)
		rule = refusal(batch, member, message);
	if (rule != NULL)
	{
		jo_command_answer(batch, member->event, "refused", rule);
		return;
	}
	message->state = "deferred";
	message->error = NULL;
	message->attempt.failures = 0;
	message->due_at = member->now;
	message->is_changed = true;
	jo_due_add_message(member, message);
	jo_command_answer(batch, member->event, "redelivered", NULL);
}

/* Apply "$discard". */
void
jo_dead_letter_discard(JoBatch *batch, JoMember *member)
{
	JoMessage  *message = find_dead_letter(member);

	if (message == NULL)
	{
		jo_command_answer(batch, member->event, "refused", "not_dead");
		return;
	}
	message->is_settled = true;
	message->is_changed = true;
	jo_command_answer(batch, member->event, "discarded", NULL);
}

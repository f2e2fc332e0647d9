/*
 * enrollment/cause.c
 *	  Events that runs cause: an emit step's event, a command to another run;
 *	  and the one by which a date that has come enters its customer.
 *
 * Such an event is the customer's next input.  It is applied by the batch that
 * causes it, right after the input under way and at the same instant, so that
 * the result depends neither on how batches are cut nor on how far a virtual
 * clock was advanced.  The sink appends it to the log as applied.
 *
 * Runs that one input moves are computed side by side, and one of them comes to
 * its emit step sooner when it has less to ask.  So what they cause is put into
 * the order of the runs when the round is over, and only then gets tickets.
 *
 * Time does not pass meanwhile, so runs that cause each other could go on for
 * ever.  Two bounds stop them: how deep causes are nested (also through an
 * author's own tables: capture keeps the depth in the log), and how many events
 * one input of a customer may cause.  The run that meets a bound ends with
 * reason "spin".
 */
#include "postgres.h"

#include "core/lane.h"
#include "enrollment/cause.h"
#include "journey/acts.h"

/* Runs that cause each other before they are taken to be spinning. */
#define DEPTH_LIMIT 32

/* Events that one input of a customer may cause. */
#define CAUSED_LIMIT 1000

/* What a run has caused in the round under way. */
typedef struct JoCausing
{
	JoEvent    *event;
	const JoRun *run;			/* NULL: a date, which comes after all runs */
	int			place;			/* in member->causing */
} JoCausing;

/* Depth of the input under way; a timer begins anew: time has passed. */
static int
current_depth(const JoMember *member)
{
	return member->event != NULL ? member->event->depth : 0;
}

/* May the member's input under way cause nothing more? */
bool
jo_cause_is_spinning(const JoMember *member)
{
	return current_depth(member) >= DEPTH_LIMIT ||
		member->ncaused >= CAUSED_LIMIT;
}

/* Depth of what a run of this member causes now. */
int
jo_cause_depth(const JoMember *member)
{
	return current_depth(member) + 1;
}

static int64
draw_ticket(JoBatch *batch)
{
	if (batch->tickets_left == 0)
	{
		batch->next_ticket = jo_event_ticket(JO_TICKET_BLOCK);
		batch->tickets_left = JO_TICKET_BLOCK;
	}
	batch->tickets_left--;
	return batch->next_ticket++;
}

/*
 * What identifies an event that is not in the log yet: the same in every
 * computation, unlike its ticket, and unlike any ticket negative.
 */
static int64
identity_of(const char *bytes, int length)
{
	return (int64) (jo_lane_hash(bytes, length) |
					UINT64CONST(0x8000000000000000));
}

/* Of what a run causes: a visit of a run causes one event of a name. */
static int64
identity_by_run(const JoRun *run, const char *name)
{
	char	   *cause = psprintf("%d %s", run->visit, name);
	int			length = strlen(cause);
	char	   *bytes = palloc(sizeof(pg_uuid_t) + length);

	memcpy(bytes, &run->id, sizeof(pg_uuid_t));
	memcpy(bytes + sizeof(pg_uuid_t), cause, length);
	return identity_of(bytes, sizeof(pg_uuid_t) + length);
}

/*
 * How journeys stand for what the member's input under way causes: as they do
 * for that input; 0: as at the ticket of what is caused.  What a timer causes under the virtual clock has to do with no
 * act of a later instant, although those are committed already; under the real
 * clock a timer comes after every act (act.c).
 */
static int64
act_seq_of_cause(const JoBatch *batch, const JoMember *member)
{
	int64		act_seq;

	if (member->event != NULL)
		return member->event->act_seq;
	if (member->act != NULL)
		return member->act->seq + 1;
	if (!batch->clock.is_virtual)
		return 0;
	act_seq = jo_act_first_between(member->now, batch->clock.now);
	return act_seq == PG_INT64_MAX ? 0 : act_seq;
}

/*
 * A new event of the member's, right after the input under way; "run": whose it
 * is, or NULL.
 */
static JoEvent *
add_event(JoBatch *batch, JoMember *member, const JoRun *run, char kind,
		  const char *name, Jsonb *payload, int deeper)
{
	JoEvent    *event = palloc0(sizeof(JoEvent));
	JoCausing  *causing = palloc(sizeof(JoCausing));

	event->act_seq = act_seq_of_cause(batch, member);
	event->instant = member->now;
	event->kind = kind;
	event->customer_id = member->customer_id;
	event->name = pstrdup(name);
	event->payload = payload;
	event->depth = Max(current_depth(member) + deeper, 0);
	causing->event = event;
	causing->run = run;
	causing->place = list_length(member->causing);
	member->causing = lappend(member->causing, causing);
	member->ncaused++;
	batch->ncaused++;
	return event;
}

static void
cause(JoBatch *batch, const JoRun *run, char kind, const char *name,
	  Jsonb *payload, int deeper)
{
	JoEvent    *event = add_event(batch, run->member, run, kind, name,
								  payload, deeper);

	event->identity = identity_by_run(run, name);
}

/*
 * A date of the member's has come, and he is to enter by it.  "cause" tells it
 * from every other date of his in this batch, and the batch's number from every
 * one before.
 */
JoEvent *
jo_cause_entry(JoBatch *batch, JoMember *member, const char *cause,
			   Jsonb *payload)
{
	JoEvent    *event = add_event(batch, member, NULL,
								  JO_EVENT_KIND_CAUSED_COMMAND,
								  JO_COMMAND_DATE, payload, 0);
	char	   *bytes = psprintf(INT64_FORMAT " %s %s", batch->cursor.batch,
								 cause, member->customer_id);

	event->identity = identity_of(bytes, strlen(bytes));
	return event;
}

/* A run emits an event. */
void
jo_cause_event(JoBatch *batch, const JoRun *run, const char *name,
			   Jsonb *payload)
{
	cause(batch, run, JO_EVENT_KIND_CAUSED_EVENT, name, payload, 1);
}

/* A run commands another of the customer's to begin. */
void
jo_cause_command(JoBatch *batch, const JoRun *run, const char *name,
				 Jsonb *payload)
{
	cause(batch, run, JO_EVENT_KIND_CAUSED_COMMAND, name, payload, 1);
}

/*
 * A run tells another, which waits for it or which it waits for, that it has
 * ended.  It goes back up the way an enter step came down, and is never
 * refused: every one of them answers an enter step that was counted.
 */
void
jo_cause_notice(JoBatch *batch, const JoRun *run, const char *name,
				Jsonb *payload)
{
	cause(batch, run, JO_EVENT_KIND_CAUSED_COMMAND, name, payload, -1);
}

/*
 * A gate has withheld a message of the run's (NULL: it has ended): a visit may
 * have one on each of its channels, one after the other.
 */
void
jo_cause_withheld(JoBatch *batch, JoMember *member, const JoRun *run,
				  const JoAttempt *attempt, Jsonb *payload)
{
	JoEvent    *event = add_event(batch, member, run,
								  JO_EVENT_KIND_CAUSED_MESSAGE,
								  "message.withheld", payload, 1);
	char	   *cause = psprintf("%d %d %s withheld", attempt->visit,
								 attempt->attempt, attempt->channel);
	int			length = strlen(cause);
	char	   *bytes = palloc(sizeof(pg_uuid_t) + length);

	memcpy(bytes, &attempt->enrollment_id, sizeof(pg_uuid_t));
	memcpy(bytes + sizeof(pg_uuid_t), cause, length);
	event->identity = identity_of(bytes, sizeof(pg_uuid_t) + length);
}

/* A simulation reports on a message of the run's: there is no relay. */
void
jo_cause_report(JoBatch *batch, const JoRun *run, const char *name,
				Jsonb *payload)
{
	cause(batch, run, JO_EVENT_KIND_MESSAGE, name, payload, 0);
}

/* By the order of the runs; what one run has caused, as it came to it. */
static int
compare_causing(const ListCell *a, const ListCell *b)
{
	const JoCausing *left = lfirst(a);
	const JoCausing *right = lfirst(b);

	if (left->run == right->run)
		return left->place - right->place;
	if (left->run == NULL || right->run == NULL)
		return left->run == NULL ? 1 : -1;
	return left->run->ordinal - right->run->ordinal;
}

/* Let what the members' runs have caused in this round be their next inputs. */
void
jo_cause_finish_round(JoBatch *batch, List *members)
{
	ListCell   *member_cell;
	ListCell   *cell;

	foreach(member_cell, members)
	{
		JoMember   *member = lfirst(member_cell);

		list_sort(member->causing, compare_causing);
		foreach(cell, member->causing)
		{
			JoEvent    *event = ((JoCausing *) lfirst(cell))->event;

			event->seq = draw_ticket(batch);
			if (event->act_seq == 0)
				event->act_seq = event->seq;
			member->caused = lappend(member->caused, event);
			batch->caused = lappend(batch->caused, event);
		}
		list_free_deep(member->causing);
		member->causing = NIL;
	}
}

/* The next event that the member's runs have caused, or NULL. */
JoEvent *
jo_cause_next(JoMember *member)
{
	JoEvent    *event;

	if (member->caused == NIL)
	{
		member->ncaused = 0;
		return NULL;
	}
	event = linitial(member->caused);
	member->caused = list_delete_first(member->caused);
	return event;
}

/*
 * enrollment/member.c
 *	  What a customer of the batch has, found by id.
 *
 * Nearly every customer has a run or two, and the list of those is their best
 * index.  But a key may be an order, a seat or a device, and then a customer
 * has thousands of runs, and nothing that happens once a run may walk them
 * all.  The first question to a list longer than JO_LIST_LIMIT builds a hash
 * table over it, which is kept up from then on; due.c and memory.c do the same
 * for their questions.
 */
#include "postgres.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#include "enrollment/batch.h"

/* A run or a message by its id. */
typedef struct IdEntry
{
	pg_uuid_t	id;				/* hash key */
	void	   *found;
} IdEntry;

static HTAB *
create_id_index(JoMember *member, const char *name, int size)
{
	HASHCTL		control = {0};

	control.keysize = sizeof(pg_uuid_t);
	control.entrysize = sizeof(IdEntry);
	control.hcxt = GetMemoryChunkContext(member);
	return hash_create(name, size, &control,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
enter_id(HTAB *index, const pg_uuid_t *id, void *found)
{
	IdEntry    *entry = hash_search(index, id, HASH_ENTER, NULL);

	entry->found = found;
}

static void *
find_id(HTAB *index, const pg_uuid_t *id)
{
	IdEntry    *entry = hash_search(index, id, HASH_FIND, NULL);

	return entry != NULL ? entry->found : NULL;
}

static bool
ids_equal(const pg_uuid_t *a, const pg_uuid_t *b)
{
	return memcmp(a, b, sizeof(pg_uuid_t)) == 0;
}

/*
 * Oldest entry first.  Runs that began at one instant: by their events, where
 * what an event caused comes before the next one although its ticket was drawn
 * later, and those of one event in the order in which journeys take it.  So the
 * order is the same whether the customer was read again in between or not.
 */
static int
compare_runs(const JoRun *left, const JoRun *right)
{
	if (left->entered_at != right->entered_at)
		return left->entered_at < right->entered_at ? -1 : 1;
	if (left->entry_order != right->entry_order)
		return left->entry_order < right->entry_order ? -1 : 1;
	if (left->entry_event_id != right->entry_event_id)
		return left->entry_event_id < right->entry_event_id ? -1 : 1;
	if (left->graph->priority != right->graph->priority)
		return left->graph->priority > right->graph->priority ? -1 : 1;
	if (left->journey_id != right->journey_id)
		return left->journey_id < right->journey_id ? -1 : 1;
	return memcmp(&left->id, &right->id, sizeof(pg_uuid_t));
}

static int
compare_cells(const ListCell *a, const ListCell *b)
{
	return compare_runs(lfirst(a), lfirst(b));
}

/* Add a run that was read; jo_member_sort_runs() is still to come. */
void
jo_member_add_run(JoMember *member, JoRun *run)
{
	run->ordinal = list_length(member->runs);
	member->runs = lappend(member->runs, run);
	if (member->run_index != NULL)
		enter_id(member->run_index, &run->id, run);
}

/* All runs are read and know their graphs: put them in order. */
void
jo_member_sort_runs(JoMember *member)
{
	list_sort(member->runs, compare_cells);
	for (int i = 0; i < list_length(member->runs); i++)
		((JoRun *) list_nth(member->runs, i))->ordinal = i;
}

/* Add a run that begins now, in its place: nearly always the last. */
void
jo_member_enter_run(JoMember *member, JoRun *run)
{
	jo_member_add_run(member, run);
	for (int i = run->ordinal - 1; i >= 0; i--)
	{
		JoRun	   *other = list_nth(member->runs, i);

		if (compare_runs(other, run) <= 0)
			break;
		other->ordinal = i + 1;
		lfirst(list_nth_cell(member->runs, i + 1)) = other;
		run->ordinal = i;
		lfirst(list_nth_cell(member->runs, i)) = run;
	}
}

/* The run with this id, an ended one too; NULL: not of this batch. */
JoRun *
jo_member_run(JoMember *member, const pg_uuid_t *id)
{
	ListCell   *cell;

	if (member->run_index == NULL &&
		list_length(member->runs) > JO_LIST_LIMIT)
	{
		member->run_index = create_id_index(member, "journey_orch runs",
											list_length(member->runs));
		foreach(cell, member->runs)
			enter_id(member->run_index, &((JoRun *) lfirst(cell))->id,
					 lfirst(cell));
	}
	if (member->run_index != NULL)
		return find_id(member->run_index, id);
	foreach(cell, member->runs)
	{
		JoRun	   *run = lfirst(cell);

		if (ids_equal(&run->id, id))
			return run;
	}
	return NULL;
}

/* Add a message, and tell its run of it. */
void
jo_member_add_message(JoMember *member, JoMessage *message)
{
	message->ordinal = list_length(member->messages);
	member->messages = lappend(member->messages, message);
	message->run = jo_member_run(member, &message->attempt.enrollment_id);
	if (message->run != NULL)
		message->run->messages = lappend(message->run->messages, message);
	if (member->message_index != NULL)
		enter_id(member->message_index, &message->attempt.message_id, message);
}

/*
 * The message with this id that is not settled, or NULL.  After one was
 * settled, another row may have been made for the same id: the newest counts.
 */
/* A message of the member's has got its id. */
void
jo_member_forget_index(JoMember *member)
{
	member->message_index = NULL;
}

JoMessage *
jo_member_message(JoMember *member, const pg_uuid_t *id)
{
	JoMessage  *message = NULL;
	ListCell   *cell;

	if (member->message_index == NULL &&
		list_length(member->messages) > JO_LIST_LIMIT)
	{
		member->message_index = create_id_index(member,
												"journey_orch messages",
												list_length(member->messages));
		foreach(cell, member->messages)
		{
			message = lfirst(cell);
			enter_id(member->message_index, &message->attempt.message_id,
					 message);
		}
	}
	if (member->message_index != NULL)
		message = find_id(member->message_index, id);
	else
	{
		message = NULL;
		foreach(cell, member->messages)
		{
			JoMessage  *other = lfirst(cell);

			if (ids_equal(&other->attempt.message_id, id))
				message = other;
		}
	}
	return message != NULL && !message->is_settled ? message : NULL;
}

/*
 * enrollment/memory.c
 *	  What a customer's earlier runs leave behind, for re-entry rules.
 */
#include "postgres.h"

#include "enrollment/batch.h"

/* The memory for (customer, journey, key), or NULL. */
JoMemory *
jo_memory_find(JoMember *member, int32 journey_id, const char *key)
{
	ListCell   *cell;

	foreach(cell, member->memories)
	{
		JoMemory   *memory = lfirst(cell);

		if (memory->journey_id == journey_id &&
			jo_key_equals(memory->key, key))
			return memory;
	}
	return NULL;
}

/*
 * Add a stored memory to the member's.  Only a trial writes a second row for
 * the same (journey, key): the one that knows of more counts.
 */
void
jo_memory_keep(JoMember *member, JoMemory *memory)
{
	JoMemory   *other = jo_memory_find(member, memory->journey_id,
									   memory->key);

	if (other == NULL)
		member->memories = lappend(member->memories, memory);
	else if (memory->runs > other->runs ||
			 memory->last_ended > other->last_ended)
		*other = *memory;
}

static JoMemory *
get_memory(JoRun *run)
{
	JoMemory   *memory = jo_memory_find(run->member, run->journey_id,
										run->key);

	if (memory == NULL)
	{
		memory = palloc0(sizeof(JoMemory));
		memory->journey_id = run->journey_id;
		memory->key = run->key;
		memory->last_entered = run->entered_at;
		memory->last_ended = JO_NO_TIME;
		run->member->memories = lappend(run->member->memories, memory);
	}
	memory->is_changed = true;
	return memory;
}

void
jo_memory_entered(JoBatch *batch, JoRun *run)
{
	JoMemory   *memory = get_memory(run);

	memory->runs++;
	memory->last_entered = run->entered_at;
}

void
jo_memory_ended(JoBatch *batch, JoRun *run)
{
	get_memory(run)->last_ended = run->member->now;
}

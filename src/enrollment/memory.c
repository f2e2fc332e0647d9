/*
 * enrollment/memory.c
 *	  What entry rules ask of a customer: earlier runs by journey and key, and
 *	  whether one is active.
 *
 * Memories outlive their runs and every log; that a run is active is told by
 * the run itself.  A customer with few of both is asked one by one, else a hash
 * table over (journey, key) answers; an entry without regard to the key holds
 * the journey's latest instant, from which a cool-down counts.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "utils/datetime.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/memutils.h"

#include "enrollment/batch.h"
#include "enrollment/json.h"

typedef struct KeyOfRuns
{
	int32		journey_id;
	bool		is_any;			/* the journey, whatever the key */
	const char *key;			/* or NULL */
} KeyOfRuns;

typedef struct KeyEntry
{
	KeyOfRuns	key;			/* hash key */
	int			active;			/* runs */
	JoMemory   *memory;			/* or NULL */
	TimestampTz latest;			/* only of "any" */
} KeyEntry;

static uint32
hash_key(const void *key, Size size)
{
	const KeyOfRuns *of = key;

	return hash_combine(jo_key_hash(of->key),
						murmurhash32(of->journey_id * 2 + of->is_any));
}

static int
match_key(const void *a, const void *b, Size size)
{
	const KeyOfRuns *left = a;
	const KeyOfRuns *right = b;

	return left->journey_id != right->journey_id ||
		left->is_any != right->is_any ||
		!jo_key_equals(left->key, right->key);
}

/* The entry of a key, made when it is new. */
static KeyEntry *
get_entry(JoMember *member, int32 journey_id, bool is_any, const char *key)
{
	KeyOfRuns	of = {journey_id, is_any, key};
	bool		found;
	KeyEntry   *entry = hash_search(member->key_index, &of, HASH_ENTER,
									&found);

	if (!found)
	{
		entry->active = 0;
		entry->memory = NULL;
		entry->latest = JO_NO_TIME;
	}
	return entry;
}

/* When anything last happened that a cool-down counts from. */
static TimestampTz
latest_of(const JoMemory *memory)
{
	return Max(memory->last_entered, memory->last_ended);
}

/* Bring the index up to what the memory says now. */
static void
index_memory(JoMember *member, JoMemory *memory)
{
	KeyEntry   *any;

	if (member->key_index == NULL)
		return;
	get_entry(member, memory->journey_id, false, memory->key)->memory = memory;
	any = get_entry(member, memory->journey_id, true, NULL);
	any->latest = Max(any->latest, latest_of(memory));
}

/* Build the index once the lists are long; true when there is one. */
static bool
has_index(JoMember *member)
{
	HASHCTL		control = {0};
	int			size;
	ListCell   *cell;

	if (member->key_index != NULL)
		return true;
	size = Max(list_length(member->runs), list_length(member->memories));
	if (size <= JO_LIST_LIMIT)
		return false;
	control.keysize = sizeof(KeyOfRuns);
	control.entrysize = sizeof(KeyEntry);
	control.hash = hash_key;
	control.match = match_key;
	control.hcxt = GetMemoryChunkContext(member);
	member->key_index = hash_create("journey_orch keys", size, &control,
									HASH_ELEM | HASH_FUNCTION | HASH_COMPARE |
									HASH_CONTEXT);
	foreach(cell, member->runs)
	{
		JoRun	   *run = lfirst(cell);

		if (run->state != JO_ENROLLMENT_ENDED)
			get_entry(member, run->journey_id, false, run->key)->active++;
	}
	foreach(cell, member->memories)
		index_memory(member, lfirst(cell));
	return true;
}

/* The memory for (customer, journey, key), or NULL. */
JoMemory *
jo_memory_find(JoMember *member, int32 journey_id, const char *key)
{
	ListCell   *cell;

	if (has_index(member))
		return get_entry(member, journey_id, false, key)->memory;
	foreach(cell, member->memories)
	{
		JoMemory   *memory = lfirst(cell);

		if (memory->journey_id == journey_id &&
			jo_key_equals(memory->key, key))
			return memory;
	}
	return NULL;
}

/* Has the customer a live run of the journey with this key? */
bool
jo_memory_has_active(JoMember *member, int32 journey_id, const char *key)
{
	ListCell   *cell;

	if (has_index(member))
		return get_entry(member, journey_id, false, key)->active > 0;
	foreach(cell, member->runs)
	{
		const JoRun *run = lfirst(cell);

		if (run->journey_id == journey_id &&
			run->state != JO_ENROLLMENT_ENDED && jo_key_equals(run->key, key))
			return true;
	}
	return false;
}

/* The last entry or end of any run of the journey; JO_NO_TIME: never. */
TimestampTz
jo_memory_latest(JoMember *member, int32 journey_id)
{
	TimestampTz latest = JO_NO_TIME;
	ListCell   *cell;

	if (has_index(member))
		return get_entry(member, journey_id, true, NULL)->latest;
	foreach(cell, member->memories)
	{
		const JoMemory *memory = lfirst(cell);

		if (memory->journey_id == journey_id)
			latest = Max(latest, latest_of(memory));
	}
	return latest;
}

static void
add_memory(JoMember *member, JoMemory *memory)
{
	member->memories = lappend(member->memories, memory);
	index_memory(member, memory);
}

/* When the last digest of any step ended; JO_NO_TIME: none did. */
static TimestampTz
last_of_digests(const JoMemory *memory)
{
	TimestampTz last = JO_NO_TIME;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	member;

	if (memory->digests == NULL)
		return JO_NO_TIME;
	iterator = JsonbIteratorInit(&memory->digests->root);
	while ((token = JsonbIteratorNext(&iterator, &member, false)) != WJB_DONE)
		if (token == WJB_KEY)
			last = Max(last, jo_json_timestamp(memory->digests,
											   pnstrdup(member.val.string.val,
														member.val.string.len)));
	return last;
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
		add_memory(member, memory);
	else if (memory->runs > other->runs ||
			 memory->last_ended > other->last_ended ||
			 last_of_digests(memory) > last_of_digests(other))
	{
		*other = *memory;
		index_memory(member, other);
	}
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
		add_memory(run->member, memory);
	}
	memory->is_changed = true;
	return memory;
}

/* A run, which is in its member's list, has entered. */
void
jo_memory_entered(JoBatch *batch, JoRun *run)
{
	JoMember   *member = run->member;
	bool		was_indexed = member->key_index != NULL;
	JoMemory   *memory = get_memory(run);

	jo_cap_entered(run, memory);
	memory->runs++;
	memory->last_entered = run->entered_at;
	index_memory(member, memory);
	if (was_indexed)
		get_entry(member, run->journey_id, false, run->key)->active++;
}

/* A run, whose state says so already, has ended. */
void
jo_memory_ended(JoBatch *batch, JoRun *run)
{
	JoMember   *member = run->member;
	bool		was_indexed = member->key_index != NULL;
	JoMemory   *memory = get_memory(run);

	memory->last_ended = member->now;
	index_memory(member, memory);
	if (was_indexed)
		get_entry(member, run->journey_id, false, run->key)->active--;
}

/* When a digest at the run's step, for its key, last ended. */
TimestampTz
jo_memory_last_digest(const JoRun *run)
{
	const JoMemory *memory = jo_memory_find(run->member, run->journey_id,
											run->key);

	return memory != NULL ?
		jo_json_timestamp(memory->digests, run->step_name) : JO_NO_TIME;
}

/* A digest at the run's step has ended now. */
void
jo_memory_digested(JoRun *run)
{
	JoMemory   *memory = get_memory(run);
	char		buffer[MAXDATELEN + 1];
	int			utc = 0;
	JsonbValue	at;

	at.type = jbvString;
	at.val.string.val = JsonEncodeDateTime(buffer,
										   TimestampTzGetDatum(run->member->now),
										   TIMESTAMPTZOID, &utc);
	at.val.string.len = strlen(at.val.string.val);
	memory->digests = jo_jsonb_put(memory->digests, run->step_name,
								   JsonbValueToJsonb(&at));
}

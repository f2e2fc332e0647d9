/*
 * capture/change.c
 *	  The rows one statement changed, out of its transition tables.
 *
 * An UPDATE has two tables, OLD and NEW.  PostgreSQL fills them in step, but
 * promises nothing; and when a row moves to another partition and a BEFORE
 * INSERT trigger there drops it, OLD has a row that NEW has not.  So:
 *
 * In step, as long as both tables have as many rows and the key (primary key,
 * else replica identity) of each pair agrees.  Where the statement may have
 * changed the key itself (it is in SET, a BEFORE UPDATE trigger may have
 * assigned it, or the rows are in partitions that may have such triggers),
 * keys that differ prove nothing, and equal counts suffice: OLD is then what a
 * row trigger would see.
 *
 * Otherwise by those key columns that SET does not assign.  Equal ones are
 * taken in the order of the tables.  A NEW row that finds no partner has no
 * OLD; the caller reports it.  The OLD rows are kept in memory for that; it
 * takes a dropped row to get here.
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/tupmacs.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#include "capture/internal.h"

/* An OLD row that waits for its partner. */
typedef struct OldRow
{
	uint32		hash;
	bool		is_taken;
	MinimalTuple tuple;
	struct OldRow *next;		/* in its bucket, in the order of the table */
} OldRow;

typedef enum PairingMode
{
	PAIR_NOTHING,				/* INSERT, DELETE */
	PAIR_IN_STEP,
	PAIR_IN_STEP_CHECKED,
	PAIR_BY_KEY
} PairingMode;

struct JoChangeSource
{
	MemoryContext context;
	Tuplestorestate *old_rows;
	Tuplestorestate *new_rows;
	TupleTableSlot *old_slot;
	TupleTableSlot *new_slot;
	PairingMode mode;
	int			key_count;		/* columns compared in PAIR_IN_STEP_CHECKED */
	AttrNumber *key;
	int			fixed_count;	/* of them, those that SET does not assign */
	AttrNumber *fixed;
	OldRow	  **heads;			/* buckets of PAIR_BY_KEY */
	OldRow	  **tails;
	uint32		mask;
	int64		unpaired;
};

/* Read "store" from its beginning, without disturbing its other readers. */
static void
rewind_store(Tuplestorestate *store)
{
	int			pointer = tuplestore_alloc_read_pointer(store,
														EXEC_FLAG_REWIND);

	tuplestore_select_read_pointer(store, pointer);
	tuplestore_rescan(store);
}

/* True when an UPDATE with this SET list may give a row another key. */
static bool
may_change_key(Relation relation, const JoChangeSource *source)
{
	TriggerDesc *triggers = relation->trigdesc;

	return source->fixed_count < source->key_count ||
		relation->rd_rel->relhassubclass ||
		(triggers != NULL && triggers->trig_update_before_row);
}

static bool
keys_agree(const AttrNumber *key, int count, TupleTableSlot *one,
		   TupleTableSlot *other)
{
	TupleDesc	descriptor = one->tts_tupleDescriptor;

	for (int i = 0; i < count; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, key[i] - 1);
		bool		one_isnull;
		bool		other_isnull;
		Datum		one_value = slot_getattr(one, key[i], &one_isnull);
		Datum		other_value = slot_getattr(other, key[i], &other_isnull);

		if (one_isnull != other_isnull)
			return false;
		if (!one_isnull &&
			!datum_image_eq(one_value, other_value,
							attribute->attbyval, attribute->attlen))
			return false;
	}
	return true;
}

static uint32
hash_fixed_key(const JoChangeSource *source, TupleTableSlot *slot)
{
	uint32		hash = 0;

	for (int i = 0; i < source->fixed_count; i++)
	{
		AttrNumber	attnum = source->fixed[i];
		Form_pg_attribute attribute =
		TupleDescAttr(slot->tts_tupleDescriptor, attnum - 1);
		bool		isnull;
		Datum		value = slot_getattr(slot, attnum, &isnull);

		if (!isnull)
			hash = hash_combine(hash, datum_image_hash(value,
													   attribute->attbyval,
													   attribute->attlen));
	}
	return hash;
}

/* Remember the OLD row in its slot for pairing by key. */
static void
keep_old_row(JoChangeSource *source)
{
	OldRow	   *row = palloc(sizeof(OldRow));
	uint32		bucket;

	row->hash = hash_fixed_key(source, source->old_slot);
	row->is_taken = false;
	row->tuple = ExecCopySlotMinimalTuple(source->old_slot);
	row->next = NULL;

	bucket = row->hash & source->mask;
	if (source->heads[bucket] == NULL)
		source->heads[bucket] = row;
	else
		source->tails[bucket]->next = row;
	source->tails[bucket] = row;
}

/* Keep what is left of OLD (and the row in the slot, if asked) by key. */
static void
begin_pairing_by_key(JoChangeSource *source, bool keep_current)
{
	int64		count = tuplestore_tuple_count(source->old_rows);
	uint32		buckets = 1024;
	MemoryContext old_context;

	source->mode = PAIR_BY_KEY;
	if (source->fixed_count == 0)
		return;

	old_context = MemoryContextSwitchTo(source->context);
	while (buckets < count && buckets < 1024 * 1024)
		buckets *= 2;
	source->mask = buckets - 1;
	source->heads = palloc0(buckets * sizeof(OldRow *));
	source->tails = palloc0(buckets * sizeof(OldRow *));
	if (keep_current)
		keep_old_row(source);
	while (tuplestore_gettupleslot(source->old_rows, true, false,
								   source->old_slot))
	{
		CHECK_FOR_INTERRUPTS();
		keep_old_row(source);
	}
	MemoryContextSwitchTo(old_context);
}

/* Put the partner of the NEW row into the OLD slot; false when there is none. */
static bool
take_partner(JoChangeSource *source)
{
	uint32		hash;

	if (source->fixed_count == 0)
		return false;

	hash = hash_fixed_key(source, source->new_slot);
	for (OldRow *row = source->heads[hash & source->mask]; row != NULL;
		 row = row->next)
	{
		if (row->is_taken || row->hash != hash)
			continue;
		ExecStoreMinimalTuple(row->tuple, source->old_slot, false);
		if (!keys_agree(source->fixed, source->fixed_count,
						source->old_slot, source->new_slot))
			continue;
		row->is_taken = true;
		return true;
	}
	return false;
}

/* Which columns of the key there are, and which of them SET leaves alone. */
static void
learn_key(JoChangeSource *source, const JoWatchedRelation *watched,
		  const Bitmapset *updated_columns)
{
	source->key_count = watched->key_count;
	source->key = watched->key;
	source->fixed = palloc(Max(watched->key_count, 1) * sizeof(AttrNumber));
	for (int i = 0; i < watched->key_count; i++)
		if (!bms_is_member(watched->key[i] - FirstLowInvalidHeapAttributeNumber,
						   updated_columns))
			source->fixed[source->fixed_count++] = watched->key[i];
}

JoChangeSource *
jo_change_source_begin(Relation relation, Tuplestorestate *old_rows,
					   Tuplestorestate *new_rows,
					   const JoWatchedRelation *watched,
					   const Bitmapset *updated_columns)
{
	JoChangeSource *source = palloc0(sizeof(JoChangeSource));
	TupleDesc	descriptor = RelationGetDescr(relation);

	source->context = CurrentMemoryContext;
	source->old_rows = old_rows;
	source->new_rows = new_rows;
	if (old_rows != NULL)
	{
		rewind_store(old_rows);
		source->old_slot = MakeSingleTupleTableSlot(descriptor,
													&TTSOpsMinimalTuple);
	}
	if (new_rows != NULL)
	{
		rewind_store(new_rows);
		source->new_slot = MakeSingleTupleTableSlot(descriptor,
													&TTSOpsMinimalTuple);
	}

	if (old_rows == NULL || new_rows == NULL)
		return source;

	learn_key(source, watched, updated_columns);
	if (tuplestore_tuple_count(old_rows) != tuplestore_tuple_count(new_rows))
		begin_pairing_by_key(source, false);
	else if (source->key_count == 0 || may_change_key(relation, source))
		source->mode = PAIR_IN_STEP;
	else
		source->mode = PAIR_IN_STEP_CHECKED;

	return source;
}

/* The next NEW row of an UPDATE and its OLD row. */
static bool
next_pair(JoChangeSource *source, TupleTableSlot **old_slot)
{
	if (!tuplestore_gettupleslot(source->new_rows, true, false,
								 source->new_slot))
		return false;

	if (source->mode != PAIR_BY_KEY)
	{
		if (!tuplestore_gettupleslot(source->old_rows, true, false,
									 source->old_slot))
			elog(ERROR, "the transition tables have different sizes");
		if (source->mode == PAIR_IN_STEP ||
			keys_agree(source->key, source->key_count,
					   source->old_slot, source->new_slot))
		{
			*old_slot = source->old_slot;
			return true;
		}
		begin_pairing_by_key(source, true);
	}

	if (take_partner(source))
		*old_slot = source->old_slot;
	else
		source->unpaired++;
	return true;
}

bool
jo_change_source_next(JoChangeSource *source, TupleTableSlot **old_slot,
					  TupleTableSlot **new_slot)
{
	*old_slot = NULL;
	*new_slot = source->new_slot;

	if (source->old_rows == NULL)
		return tuplestore_gettupleslot(source->new_rows, true, false,
									   source->new_slot);
	if (source->new_rows == NULL)
	{
		*old_slot = source->old_slot;
		return tuplestore_gettupleslot(source->old_rows, true, false,
									   source->old_slot);
	}
	return next_pair(source, old_slot);
}

int64
jo_change_source_unpaired(const JoChangeSource *source)
{
	return source->unpaired;
}

void
jo_change_source_end(JoChangeSource *source)
{
	if (source->old_slot != NULL)
		ExecDropSingleTupleTableSlot(source->old_slot);
	if (source->new_slot != NULL)
		ExecDropSingleTupleTableSlot(source->new_slot);
}

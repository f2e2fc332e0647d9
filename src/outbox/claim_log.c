/*
 * outbox/claim_log.c
 *	  Rows of tables claim and claim_outcome: who holds what, and what became
 *	  of it.
 *
 * Both tables only grow by inserts.  A claim is one row; a settled message is
 * an entry of an outcome row's array, or, where an outcome concerns all that is
 * still held, nothing at all.  A claim that lost messages (its lease ran out
 * and they were offered again, or given up) gets an outcome that says so:
 * what a claim still holds follows from its own two kinds of rows alone.
 *
 * Writers of outcomes hold JO_LOCK_CLAIM; writers of claims hold the channel's
 * JO_LOCK_CHANNEL.  Whoever needs both takes the channel's first.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_type_d.h"
#include "commands/sequence.h"
#include "common/hashfn.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"

#include "core/append.h"
#include "core/clock.h"
#include "core/identity.h"
#include "core/leaf.h"
#include "outbox/internal.h"
#include "permission/permission.h"

/* Columns of table claim, in order. */
enum
{
	CLAIM_CLAIM_ID,
	CLAIM_CLAIMED_AT,
	CLAIM_RECORDED_AT,
	CLAIM_LEASE_UNTIL,
	CLAIM_INCARNATION,
	CLAIM_CLAIMED_BY,
	CLAIM_CHANNEL,
	CLAIM_RELAY,
	CLAIM_TOKENS,
	CLAIM_POSITIONS,
	CLAIM_OPEN_CLAIMS,
	CLAIM_LANES,
	CLAIM_STARTS,
	CLAIM_STOPS,
	CLAIM_TRIES,
	CLAIM_HELD,
	CLAIM_ATTEMPTS,
	CLAIM_AWAITED,
	CLAIM_COLUMNS
};

/* Columns of table claim_outcome, in order. */
enum
{
	OUTCOME_CLAIM_ID,
	OUTCOME_AT,
	OUTCOME_RECORDED_AT,
	OUTCOME_LEASE_UNTIL,
	OUTCOME_OUTCOME,
	OUTCOME_MESSAGE_IDS,
	OUTCOME_DETAIL,
	OUTCOME_COLUMNS
};

/* Message id to its place in JoClaim.held. */
typedef struct IdEntry
{
	pg_uuid_t	id;
	int			place;
	char		status;
} IdEntry;

/* The last bytes of a message id are a hash already. */
static inline uint32
hash_id(pg_uuid_t id)
{
	uint32		hash;

	memcpy(&hash, &id.data[12], sizeof(hash));
	return hash;
}

#define SH_PREFIX idhash
#define SH_ELEMENT_TYPE IdEntry
#define SH_KEY_TYPE pg_uuid_t
#define SH_KEY id
#define SH_HASH_KEY(table, key) hash_id(key)
#define SH_EQUAL(table, a, b) (memcmp((a).data, (b).data, UUID_LEN) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* Claims of fewer messages are searched one by one. */
#define HASH_FROM 16

/* ---- reading ---- */

/* The elements of an array of a fixed-length type without NULLs, copied. */
static void *
read_array(Datum datum, Size element, int *count)
{
	ArrayType  *array = DatumGetArrayTypeP(datum);
	void	   *result;

	if (ARR_HASNULL(array) || ARR_NDIM(array) > 1)
		elog(ERROR, "unexpected array in table \"claim\"");
	*count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	result = palloc(Max(1, *count) * element);
	memcpy(result, ARR_DATA_PTR(array), *count * element);
	if ((Pointer) array != DatumGetPointer(datum))
		pfree(array);
	return result;
}

static void
load_ranges(JoClaim *claim, Datum *values)
{
	int			count[4];
	int16	   *lanes = read_array(values[CLAIM_LANES], sizeof(int16),
								   &count[0]);
	int64	   *starts = read_array(values[CLAIM_STARTS], sizeof(int64),
									&count[1]);
	int64	   *stops = read_array(values[CLAIM_STOPS], sizeof(int64),
								   &count[2]);
	int16	   *tries = read_array(values[CLAIM_TRIES], sizeof(int16),
								   &count[3]);

	if (count[0] != count[1] || count[0] != count[2] || count[0] != count[3])
		elog(ERROR, "ranges of claim " INT64_FORMAT " do not agree",
			 claim->claim_id);
	claim->nranges = count[0];
	claim->ranges = palloc(Max(1, count[0]) * sizeof(JoClaimRange));
	for (int i = 0; i < count[0]; i++)
	{
		claim->ranges[i].lane = lanes[i];
		claim->ranges[i].start = starts[i];
		claim->ranges[i].stop = stops[i];
		claim->ranges[i].tries = tries[i];
	}
}

void
jo_claim_reset_positions(JoClaim *claim)
{
	for (int queue = 0; queue < JO_QUEUES; queue++)
		for (int lane = 0; lane < JO_LANES; lane++)
			claim->positions[queue][lane] = jo_queue_start(queue);
}

static JoClaim *
load_claim(TupleTableSlot *slot)
{
	JoClaim    *claim = palloc0(sizeof(JoClaim));
	Datum	   *values;
	int			count;
	int64	   *positions;

	slot_getallattrs(slot);
	values = slot->tts_values;
	claim->claim_id = DatumGetInt64(values[CLAIM_CLAIM_ID]);
	claim->claimed_at = DatumGetTimestampTz(values[CLAIM_CLAIMED_AT]);
	claim->recorded_at = DatumGetTimestampTz(values[CLAIM_RECORDED_AT]);
	claim->lease_until = DatumGetTimestampTz(values[CLAIM_LEASE_UNTIL]);
	claim->claimed_by = DatumGetObjectId(values[CLAIM_CLAIMED_BY]);
	claim->channel = TextDatumGetCString(values[CLAIM_CHANNEL]);
	claim->relay = TextDatumGetCString(values[CLAIM_RELAY]);
	claim->has_tokens = !slot->tts_isnull[CLAIM_TOKENS];
	if (claim->has_tokens)
		claim->tokens = DatumGetFloat8(values[CLAIM_TOKENS]);
	positions = read_array(values[CLAIM_POSITIONS], sizeof(int64), &count);
	if (count != JO_LANES && count != JO_LANES * JO_QUEUES)
		elog(ERROR, "claim " INT64_FORMAT " has %d positions",
			 claim->claim_id, count);
	jo_claim_reset_positions(claim);
	memcpy(claim->positions, positions, count * sizeof(int64));
	claim->open_claims = read_array(values[CLAIM_OPEN_CLAIMS], sizeof(int64),
									&claim->nopen);
	load_ranges(claim, values);
	claim->held = read_array(values[CLAIM_HELD], UUID_LEN, &claim->nheld);
	if (!slot->tts_isnull[CLAIM_ATTEMPTS])
		claim->attempts = read_array(values[CLAIM_ATTEMPTS], sizeof(int16),
									 &count);
	if (!slot->tts_isnull[CLAIM_AWAITED])
		claim->awaited = read_array(values[CLAIM_AWAITED], UUID_LEN,
									&claim->nawaited);
	return claim;
}

/* The first claim that an index scan finds. */
static JoClaim *
scan_claim(const char *index_name, ScanKey key, ScanDirection direction,
		   Snapshot snapshot)
{
	Relation	relation = table_open(jo_relation_oid("claim"),
									  AccessShareLock);
	Relation	index = index_open(jo_relation_oid(index_name),
								   AccessShareLock);
	IndexScanDesc scan = index_beginscan(relation, index, snapshot, 1, 0);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	JoClaim    *claim = NULL;

	index_rescan(scan, key, 1, NULL, 0);
	if (index_getnext_slot(scan, direction, slot))
		claim = load_claim(slot);
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);
	return claim;
}

/* The index (channel, claim_id), walked backward: the newest comes first. */
JoClaim *
jo_claim_newest(const char *channel, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(channel));
	return scan_claim("claim_channel_claim_id", &key, BackwardScanDirection,
					  snapshot);
}

JoClaim *
jo_claim_find(int64 claim_id, Snapshot snapshot)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(claim_id));
	return scan_claim("claim_claim_id", &key, ForwardScanDirection, snapshot);
}

int
jo_claim_place(JoClaim *claim, const pg_uuid_t *id)
{
	IdEntry    *entry;
	bool		found;

	if (claim->nheld < HASH_FROM)
	{
		for (int i = 0; i < claim->nheld; i++)
			if (memcmp(&claim->held[i], id, UUID_LEN) == 0)
				return i;
		return -1;
	}
	if (claim->index == NULL)
	{
		claim->index = idhash_create(CurrentMemoryContext, claim->nheld, NULL);
		for (int i = 0; i < claim->nheld; i++)
		{
			entry = idhash_insert(claim->index, claim->held[i], &found);
			entry->place = i;
		}
	}
	entry = idhash_lookup(claim->index, *id);
	return entry == NULL ? -1 : entry->place;
}

/* What an outcome means for the messages it names. */
static JoFate
outcome_fate(const char *outcome)
{
	if (strcmp(outcome, "reoffered") == 0 || strcmp(outcome, "dead") == 0)
		return JO_FATE_LOST;
	return JO_FATE_SETTLED;
}

/*
 * Apply one outcome row.  One that names no messages concerns whatever is held
 * when all others are known: returns its fate in *rest.
 */
static void
apply_outcome(JoClaim *claim, TupleTableSlot *slot, TimestampTz *extended_at,
			  JoFate *rest)
{
	Datum	   *values;
	char	   *outcome;
	pg_uuid_t  *ids;
	int			count;

	slot_getallattrs(slot);
	values = slot->tts_values;
	outcome = TextDatumGetCString(values[OUTCOME_OUTCOME]);
	if (strcmp(outcome, "extended") == 0)
	{
		TimestampTz at = DatumGetTimestampTz(values[OUTCOME_RECORDED_AT]);

		if (at >= *extended_at)
		{
			*extended_at = at;
			claim->lease_until =
				DatumGetTimestampTz(values[OUTCOME_LEASE_UNTIL]);
		}
	}
	else if (slot->tts_isnull[OUTCOME_MESSAGE_IDS])
		*rest = outcome_fate(outcome);
	else
	{
		ids = read_array(values[OUTCOME_MESSAGE_IDS], UUID_LEN, &count);
		for (int i = 0; i < count; i++)
		{
			int			place = jo_claim_place(claim, &ids[i]);

			/* a message that a gate stopped was never held */
			if (place >= 0)
				claim->fates[place] = outcome_fate(outcome);
		}
		pfree(ids);
	}
	pfree(outcome);
}

void
jo_claim_read_outcomes(JoClaim *claim, Snapshot snapshot)
{
	Relation	relation = table_open(jo_relation_oid("claim_outcome"),
									  AccessShareLock);
	Relation	index = index_open(jo_relation_oid("claim_outcome_claim_id"),
								   AccessShareLock);
	IndexScanDesc scan = index_beginscan(relation, index, snapshot, 1, 0);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TimestampTz extended_at = DT_NOBEGIN;
	JoFate		rest = JO_FATE_HELD;
	ScanKeyData key;

	claim->fates = palloc(Max(1, claim->nheld) * sizeof(JoFate));
	for (int i = 0; i < claim->nheld; i++)
		claim->fates[i] = JO_FATE_HELD;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(claim->claim_id));
	index_rescan(scan, &key, 1, NULL, 0);
	while (index_getnext_slot(scan, ForwardScanDirection, slot))
		apply_outcome(claim, slot, &extended_at, &rest);
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);

	claim->remaining = 0;
	for (int i = 0; i < claim->nheld; i++)
	{
		if (claim->fates[i] == JO_FATE_HELD)
			claim->fates[i] = rest;
		if (claim->fates[i] == JO_FATE_HELD)
			claim->remaining++;
	}
}

/* ---- writing ---- */

/* An array without NULLs of a fixed-length type. */
static Datum
form_array(Oid type, Size element, const void *data, int count)
{
	Size		bytes = count * element;
	ArrayType  *array;

	if (count == 0)
		return PointerGetDatum(construct_empty_array(type));
	array = palloc0(ARR_OVERHEAD_NONULLS(1) + bytes);
	SET_VARSIZE(array, ARR_OVERHEAD_NONULLS(1) + bytes);
	array->ndim = 1;
	array->elemtype = type;
	ARR_DIMS(array)[0] = count;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), data, bytes);
	return PointerGetDatum(array);
}

static Datum
form_int64_array(const int64 *data, int count)
{
	return form_array(INT8OID, sizeof(int64), data, count);
}

static Datum
form_int16_array(const int16 *data, int count)
{
	return form_array(INT2OID, sizeof(int16), data, count);
}

static Datum
form_uuid_array(const pg_uuid_t *data, int count)
{
	return form_array(UUIDOID, UUID_LEN, data, count);
}

static void
set_ranges(const JoClaim *claim, Datum *values)
{
	int			n = claim->nranges;
	int16	   *lanes = palloc((n + 1) * sizeof(int16));
	int64	   *starts = palloc((n + 1) * sizeof(int64));
	int64	   *stops = palloc((n + 1) * sizeof(int64));
	int16	   *tries = palloc((n + 1) * sizeof(int16));

	for (int i = 0; i < n; i++)
	{
		lanes[i] = claim->ranges[i].lane;
		starts[i] = claim->ranges[i].start;
		stops[i] = claim->ranges[i].stop;
		tries[i] = claim->ranges[i].tries;
	}
	values[CLAIM_LANES] = form_int16_array(lanes, n);
	values[CLAIM_STARTS] = form_int64_array(starts, n);
	values[CLAIM_STOPS] = form_int64_array(stops, n);
	values[CLAIM_TRIES] = form_int16_array(tries, n);
}

/* Append one row to a table of ours and let the next command see it. */
static void
append_row(const char *table, Datum *values, bool *isnull)
{
	JoAppend   *append = jo_append_begin(jo_relation_oid(table));

	jo_append_row(append, values, isnull);
	jo_append_end(append);
	CommandCounterIncrement();
}

/* How many positions must be written: queues that were never used, none. */
static int
count_positions(const JoClaim *claim)
{
	for (int queue = JO_QUEUES - 1; queue > 0; queue--)
		for (int lane = 0; lane < JO_LANES; lane++)
			if (claim->positions[queue][lane] != jo_queue_start(queue))
				return JO_QUEUES * JO_LANES;
	return JO_LANES;
}

void
jo_claim_append(const JoClaim *claim)
{
	Datum		values[CLAIM_COLUMNS];
	bool		isnull[CLAIM_COLUMNS] = {false};

	values[CLAIM_CLAIM_ID] = Int64GetDatum(claim->claim_id);
	values[CLAIM_CLAIMED_AT] = TimestampTzGetDatum(claim->claimed_at);
	values[CLAIM_RECORDED_AT] = TimestampTzGetDatum(claim->recorded_at);
	values[CLAIM_LEASE_UNTIL] = TimestampTzGetDatum(claim->lease_until);
	values[CLAIM_INCARNATION] = Int32GetDatum(jo_incarnation());
	values[CLAIM_CLAIMED_BY] = ObjectIdGetDatum(claim->claimed_by);
	values[CLAIM_CHANNEL] = CStringGetTextDatum(claim->channel);
	values[CLAIM_RELAY] = CStringGetTextDatum(claim->relay);
	isnull[CLAIM_TOKENS] = !claim->has_tokens;
	values[CLAIM_TOKENS] = Float8GetDatum(claim->tokens);
	values[CLAIM_POSITIONS] = form_int64_array(claim->positions[0],
											   count_positions(claim));
	values[CLAIM_OPEN_CLAIMS] = form_int64_array(claim->open_claims,
												 claim->nopen);
	set_ranges(claim, values);
	values[CLAIM_HELD] = form_uuid_array(claim->held, claim->nheld);
	isnull[CLAIM_ATTEMPTS] = claim->attempts == NULL;
	if (claim->attempts != NULL)
		values[CLAIM_ATTEMPTS] = form_int16_array(claim->attempts,
												  claim->nheld);
	isnull[CLAIM_AWAITED] = claim->nawaited == 0;
	if (claim->nawaited > 0)
		values[CLAIM_AWAITED] = form_uuid_array(claim->awaited,
												claim->nawaited);
	append_row("claim", values, isnull);
}

void
jo_claim_outcome_append(int64 claim_id, const char *outcome,
						const pg_uuid_t *ids, int count,
						TimestampTz lease_until, Jsonb *detail)
{
	Datum		values[OUTCOME_COLUMNS];
	bool		isnull[OUTCOME_COLUMNS] = {false};

	values[OUTCOME_CLAIM_ID] = Int64GetDatum(claim_id);
	values[OUTCOME_AT] = TimestampTzGetDatum(jo_clock_now());
	values[OUTCOME_RECORDED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	isnull[OUTCOME_LEASE_UNTIL] = lease_until == JO_NO_TIME;
	values[OUTCOME_LEASE_UNTIL] = TimestampTzGetDatum(lease_until);
	values[OUTCOME_OUTCOME] = CStringGetTextDatum(outcome);
	isnull[OUTCOME_MESSAGE_IDS] = count < 0;
	if (count >= 0)
		values[OUTCOME_MESSAGE_IDS] = form_uuid_array(ids, count);
	isnull[OUTCOME_DETAIL] = detail == NULL;
	values[OUTCOME_DETAIL] = JsonbPGetDatum(detail);
	append_row("claim_outcome", values, isnull);
	if (count > 0 && strcmp(outcome, "acked") != 0 &&
		strcmp(outcome, "reoffered") != 0 && strcmp(outcome, "extended") != 0)
		jo_caps_return(ids, count);
}

/*
 * Draw a claim_id.  A relay that holds a claim_id may use it after a crash of
 * the server, so the sequence must never give it again: "flush" covers
 * the sequence's last WAL record, which stands for 32 ids.
 */
int64
jo_claim_id_next(JoFlush *flush)
{
	Oid			sequence = jo_relation_oid("claim_seq");
	int64		claim_id = nextval_internal(sequence, false);
	Relation	relation = relation_open(sequence, AccessShareLock);
	Buffer		buffer = ReadBuffer(relation, 0);

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	flush->upto = Max(flush->upto, PageGetLSN(BufferGetPage(buffer)));
	UnlockReleaseBuffer(buffer);
	relation_close(relation, AccessShareLock);
	return claim_id;
}

/*
 * capture/idempotency.c
 *	  A caller's key and the event it produced.
 *
 * The unique index decides: a concurrent claim of the same key waits in the
 * INSERT until the first transaction ends, then finds its row or takes its
 * place.  Keys older than journey_orch.idempotency_horizon count as unused,
 * whether maintenance has deleted them already or not.
 *
 * Outside READ COMMITTED a key claimed by a transaction that the snapshot does
 * not see raises 40001, as any unique conflict there does; the caller retries.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "capture/internal.h"
#include "core/errors.h"
#include "core/run_as.h"
#include "core/upkeep.h"

#define CLAIM \
	"INSERT INTO journey_orch.idempotency AS i (name, key, body_hash, event_id, created_at)" \
	" VALUES ($1, $2, $3, $4, $5)" \
	" ON CONFLICT (name, key) DO UPDATE SET body_hash = excluded.body_hash," \
	" event_id = excluded.event_id, created_at = excluded.created_at" \
	" WHERE i.created_at < $6"

#define LOOK_UP \
	"SELECT body_hash, event_id FROM journey_orch.idempotency" \
	" WHERE name = $1 AND key = $2"

int			jo_idempotency_horizon = 7 * 24 * 60 * 60;

/* Prepared once a backend. */
static SPIPlanPtr claim_plan = NULL;
static SPIPlanPtr look_up_plan = NULL;

static void
prepare(SPIPlanPtr *plan, const char *sql, int count)
{
	Oid			types[] = {
		TEXTOID, TEXTOID, BYTEAOID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID
	};

	if (*plan != NULL)
		return;
	*plan = SPI_prepare(sql, count, types);
	if (*plan == NULL || SPI_keepplan(*plan) != 0)
		elog(ERROR, "could not prepare: %s", sql);
}

static bytea *
hash_of(const StringInfo body)
{
	pg_cryptohash_ctx *context = pg_cryptohash_create(PG_SHA256);
	bytea	   *hash = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);

	if (context == NULL || pg_cryptohash_init(context) < 0 ||
		pg_cryptohash_update(context, (uint8 *) body->data, body->len) < 0 ||
		pg_cryptohash_final(context, (uint8 *) VARDATA(hash),
							PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not compute a SHA-256 hash");
	pg_cryptohash_free(context);
	SET_VARSIZE(hash, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	return hash;
}

/* The row of a key that is taken: compare bodies, return its event. */
static bool
find_first(Datum *values, const char *name, const char *key, int64 *event_id)
{
	bool		isnull;
	Datum		hash;

	prepare(&look_up_plan, LOOK_UP, 2);
	SPI_execute_plan(look_up_plan, values, NULL, false, 1);
	if (SPI_processed == 0)
		return false;			/* deleted meanwhile: claim again */

	hash = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						 &isnull);
	if (!DatumGetBool(DirectFunctionCall2(byteaeq, hash, values[2])))
		ereport(ERROR,
				(errcode(ERRCODE_JO_IDEMPOTENCY_CONFLICT),
				 errmsg("idempotency key \"%s\" of event \"%s\" was used with another body",
						jo_clipped(key), name),
				 errdetail("A key stands for one customer, payload and time of occurrence."),
				 errhint("Use a new key for a new event.")));
	*event_id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
											SPI_tuptable->tupdesc, 2, &isnull));
	return true;
}

bool
jo_idempotency_claim(const char *name, const char *key, const StringInfo body,
					 int64 *event_id)
{
	TimestampTz now = GetCurrentTimestamp();
	Datum		values[6];
	JoRunAs		run_as;
	bool		is_new;

	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(key);
	values[2] = PointerGetDatum(hash_of(body));
	values[3] = Int64GetDatum(*event_id);
	values[4] = TimestampTzGetDatum(now);
	values[5] = TimestampTzGetDatum(now - jo_idempotency_horizon * USECS_PER_SEC);

	jo_run_as_extension(&run_as);
	SPI_connect();
	prepare(&claim_plan, CLAIM, 6);
	do
	{
		CHECK_FOR_INTERRUPTS();
		SPI_execute_plan(claim_plan, values, NULL, false, 0);
		is_new = SPI_processed > 0;
	} while (!is_new && !find_first(values, name, key, event_id));
	SPI_finish();
	jo_run_as_end(&run_as);

	return is_new;
}

/* JoPrune: keys that count as unused; not one that somebody takes anew now. */
static int64
prune(void)
{
	return jo_prune_rows("DELETE FROM journey_orch.idempotency"
						 " WHERE ctid = ANY(ARRAY(SELECT ctid"
						 "  FROM journey_orch.idempotency WHERE created_at < $1"
						 "  ORDER BY created_at LIMIT 10000"
						 "  FOR UPDATE SKIP LOCKED))",
						 GetCurrentTimestamp() -
						 jo_idempotency_horizon * USECS_PER_SEC);
}

static const JoPrune key_prune = {"idempotency", prune};

void
jo_idempotency_init(void)
{
	jo_prune_register(&key_prune);
	DefineCustomIntVariable("journey_orch.idempotency_horizon",
							"Sets how long an idempotency key is remembered.",
							"A repeated key within this time returns the first event; after it the key is new.",
							&jo_idempotency_horizon,
							7 * 24 * 60 * 60, 60, INT_MAX / 2,
							PGC_SUSET, GUC_UNIT_S, NULL, NULL, NULL);
}

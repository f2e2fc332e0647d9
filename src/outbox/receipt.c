/*
 * outbox/receipt.c
 *	  Receipts: what the provider said when it took a message.
 *
 * ack(..., receipts) carries {"id", "cost", "currency"} by message.  Each
 * becomes a row of table receipt, so that a report that knows only the
 * provider's id finds the message, and views know what it cost.  A lost ack (it
 * commits asynchronously) loses its receipts too: the message is offered
 * again, and with it the provider's id, which is the same for the same
 * message_id.
 *
 * A provider may report before the relay has acknowledged.  Such a report waits
 * in table early_report, and the ack that brings the receipt applies it.  What
 * no ack ever asks for goes after 30 days.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "core/append.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "core/upkeep.h"
#include "outbox/reporting.h"

/* Columns of table receipt, in order. */
enum
{
	RECEIPT_CHANNEL,
	RECEIPT_PROVIDER_ID,
	RECEIPT_MESSAGE_ID,
	RECEIPT_AT,
	RECEIPT_RECORDED_AT,
	RECEIPT_COST,
	RECEIPT_CURRENCY,
	RECEIPT_COLUMNS
};

/* Columns of table early_report, in order. */
enum
{
	EARLY_CHANNEL,
	EARLY_PROVIDER_ID,
	EARLY_STATUS,
	EARLY_AT,
	EARLY_RECORDED_AT,
	EARLY_DETAIL,
	EARLY_COLUMNS
};

/* ---- reading what the relay passes ---- */

static void
refuse_receipt(const char *message_id, const char *fault)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the receipt of message \"%s\" is not valid", message_id),
			 errdetail("%s", fault),
			 errhint("Write it as {\"id\": \"provider's id\", \"cost\": 0.001, \"currency\": \"EUR\"}; each may be left out.")));
}

/* The provider's id: a string, or a number as it was written. */
static char *
read_provider_id(JsonbContainer *object, const char *message_id)
{
	JsonbValue *value = getKeyJsonValueFromContainer(object, "id",
													 strlen("id"), NULL);
	char	   *id = NULL;

	if (value == NULL || value->type == jbvNull)
		return NULL;
	if (value->type == jbvString)
		id = pnstrdup(value->val.string.val, value->val.string.len);
	else if (value->type == jbvNumeric)
		id = DatumGetCString(DirectFunctionCall1(numeric_out,
												 NumericGetDatum(value->val.numeric)));
	if (id == NULL || id[0] == '\0' || strlen(id) > JO_PROVIDER_ID_BYTES)
		refuse_receipt(message_id,
					   psprintf("\"id\" is no string of 1 to %d bytes.",
								JO_PROVIDER_ID_BYTES));
	return id;
}

/* Read one; false when it says nothing that we understand. */
static bool
read_receipt(JoReceipt *receipt, const char *message_id, JsonbValue *value)
{
	JsonbContainer *object;
	const char *fault;

	if (value->type != jbvBinary ||
		!JsonContainerIsObject(value->val.binary.data))
		return false;
	object = value->val.binary.data;
	receipt->provider_id = read_provider_id(object, message_id);
	fault = jo_amount_read(object, "cost", &receipt->has_cost, &receipt->cost);
	if (fault == NULL && receipt->has_cost)
		fault = jo_currency_read(object, &receipt->currency);
	if (fault == NULL && receipt->has_cost && receipt->currency == NULL)
		fault = "\"cost\" stands without \"currency\".";
	if (fault != NULL)
		refuse_receipt(message_id, fault);
	return receipt->provider_id != NULL || receipt->has_cost;
}

JoReceipt *
jo_receipts_read(JoClaim *claim, Jsonb *receipts, int *n)
{
	JoReceipt  *list;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *key = NULL;

	if (!JB_ROOT_IS_OBJECT(receipts))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("receipts must be an object"),
				 errhint("Its keys are message ids, its values what the provider said of them.")));
	list = palloc0(Max(1, JB_ROOT_COUNT(receipts)) * sizeof(JoReceipt));
	*n = 0;
	iterator = JsonbIteratorInit(&receipts->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		JoReceipt  *receipt = &list[*n];

		if (token == WJB_VALUE && read_receipt(receipt, key, &value))
			(*n)++;
		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		if (!jo_relay_read_uuid(key, &receipt->message_id))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("key \"%s\" of receipts is not a message id",
							jo_clipped(key)),
					 errhint("Use the message_id that claim() gave.")));
		receipt->place = jo_claim_get_place(claim, &receipt->message_id);
	}
	return list;
}

/* ---- finding a message by the provider's id ---- */

int
jo_receipt_find(const char *channel, const char *provider_id,
				Snapshot snapshot, pg_uuid_t *ids)
{
	Relation	relation = table_open(jo_relation_oid("receipt"),
									  AccessShareLock);
	Relation	index = index_open(jo_relation_oid("receipt_provider"),
								   AccessShareLock);
	IndexScanDesc scan = index_beginscan(relation, index, snapshot, 2, 0);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	ScanKeyData keys[2];
	int			n = 0;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(channel));
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(provider_id));
	index_rescan(scan, keys, 2, NULL, 0);
	while (n < 2 && index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		pg_uuid_t  *id;

		slot_getallattrs(slot);
		id = jo_slot_uuid(slot, RECEIPT_MESSAGE_ID);
		if (n == 0 || memcmp(id, &ids[0], sizeof(pg_uuid_t)) != 0)
			ids[n++] = *id;
	}
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);
	return n;
}

TimestampTz
jo_receipt_at(const pg_uuid_t *message_id, Snapshot snapshot)
{
	Relation	relation = table_open(jo_relation_oid("receipt"),
									  AccessShareLock);
	Relation	index = index_open(jo_relation_oid("receipt_message_id"),
								   AccessShareLock);
	IndexScanDesc scan = index_beginscan(relation, index, snapshot, 1, 0);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TimestampTz at = JO_NO_TIME;
	ScanKeyData key;

	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(message_id));
	index_rescan(scan, &key, 1, NULL, 0);
	if (index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		slot_getallattrs(slot);
		at = DatumGetTimestampTz(slot->tts_values[RECEIPT_AT]);
	}
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);
	return at;
}

/* ---- reports that come before the ack ---- */

void
jo_early_report_keep(JoReport *report)
{
	JoAppend   *append = jo_append_begin(jo_relation_oid("early_report"));
	Datum		values[EARLY_COLUMNS];
	bool		isnull[EARLY_COLUMNS] = {false};

	if (!report->has_at)
		report->at = jo_clock_now();
	values[EARLY_CHANNEL] = CStringGetTextDatum(report->channel);
	values[EARLY_PROVIDER_ID] = CStringGetTextDatum(report->provider_id);
	values[EARLY_STATUS] = CStringGetTextDatum(report->status);
	values[EARLY_AT] = TimestampTzGetDatum(report->at);
	values[EARLY_RECORDED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[EARLY_DETAIL] = JsonbPGetDatum(report->detail);
	jo_append_row(append, values, isnull);
	jo_append_end(append);
	CommandCounterIncrement();
}

static bool
has_early_reports(void)
{
	Relation	relation = table_open(jo_relation_oid("early_report"),
									  AccessShareLock);
	bool		has_rows = RelationGetNumberOfBlocks(relation) > 0;

	table_close(relation, AccessShareLock);
	return has_rows;
}

#define TAKE_EARLY_REPORTS \
	"DELETE FROM journey_orch.early_report" \
	" WHERE channel = $1 AND provider_message_id = ANY ($2)" \
	" RETURNING provider_message_id, status, at, detail"

/* One row of TAKE_EARLY_REPORTS, copied into "context". */
static JoReport *
early_report(HeapTuple tuple, TupleDesc descriptor, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	JoReport   *report = palloc0(sizeof(JoReport));
	const char *hint;
	bool		isnull;

	report->provider_id = TextDatumGetCString(SPI_getbinval(tuple, descriptor,
															1, &isnull));
	report->status = TextDatumGetCString(SPI_getbinval(tuple, descriptor, 2,
													   &isnull));
	report->has_at = true;
	report->at = DatumGetTimestampTz(SPI_getbinval(tuple, descriptor, 3,
												   &isnull));
	report->detail = DatumGetJsonbPCopy(SPI_getbinval(tuple, descriptor, 4,
													  &isnull));
	(void) jo_report_fault(report, &hint);	/* reads the amount */
	MemoryContextSwitchTo(caller);
	return report;
}

/* Take the early reports of these provider ids out of their table. */
static List *
take_early_reports(const char *channel, Datum *provider_ids, int n)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[] = {TEXTOID, TEXTARRAYOID};
	Datum		values[2];
	List	   *reports = NIL;
	MemoryContext caller;
	JoRunAs		saved;

	values[0] = CStringGetTextDatum(channel);
	values[1] = PointerGetDatum(construct_array(provider_ids, n, TEXTOID, -1,
												false, TYPALIGN_INT));
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args(TAKE_EARLY_REPORTS, 2, types, values, NULL,
							  false, 0) != SPI_OK_DELETE_RETURNING)
		elog(ERROR, "could not take early reports");
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		JoReport   *report = early_report(SPI_tuptable->vals[i],
										  SPI_tuptable->tupdesc, context);

		caller = MemoryContextSwitchTo(context);
		reports = lappend(reports, report);
		MemoryContextSwitchTo(caller);
	}
	SPI_finish();
	jo_run_as_end(&saved);
	return reports;
}

/* Of what the provider has reported already: the message that it is about. */
static void
bind_message(JoReport *report, const JoReceipt *receipts, int n)
{
	for (int i = 0; i < n; i++)
		if (receipts[i].provider_id != NULL &&
			strcmp(receipts[i].provider_id, report->provider_id) == 0)
			report->message_id = receipts[i].message_id;
}

/*
 * Apply the reports that came before this ack.  Whose they are was checked when
 * they came.
 */
static void
apply_early_reports(JoClaim *claim, const JoReceipt *receipts, int n)
{
	Datum	   *provider_ids = palloc(n * sizeof(Datum));
	bool		is_wanted[JO_REPORT_LOCKS] = {false};
	int			nids = 0;
	List	   *reports;
	ListCell   *cell;

	for (int i = 0; i < n; i++)
		if (receipts[i].provider_id != NULL)
			provider_ids[nids++] = CStringGetTextDatum(receipts[i].provider_id);
	if (nids == 0 || !has_early_reports())
		return;
	reports = take_early_reports(claim->channel, provider_ids, nids);
	foreach(cell, reports)
	{
		JoReport   *report = lfirst(cell);

		bind_message(report, receipts, n);
		is_wanted[jo_report_message_lock(&report->message_id)] = true;
	}
	jo_report_lock(0, JO_REPORT_LOCKS, is_wanted);
	foreach(cell, reports)
		(void) jo_report_record(lfirst(cell), false, false);
	foreach(cell, reports)
		jo_feedback_apply(lfirst(cell), 1);
}

/* ---- recording ---- */

static void
append_receipt(JoAppend *append, const JoClaim *claim,
			   const JoReceipt *receipt)
{
	Datum		values[RECEIPT_COLUMNS] = {0};
	bool		isnull[RECEIPT_COLUMNS] = {false};

	values[RECEIPT_CHANNEL] = CStringGetTextDatum(claim->channel);
	isnull[RECEIPT_PROVIDER_ID] = receipt->provider_id == NULL;
	if (receipt->provider_id != NULL)
		values[RECEIPT_PROVIDER_ID] =
			CStringGetTextDatum(receipt->provider_id);
	values[RECEIPT_MESSAGE_ID] = UUIDPGetDatum(&receipt->message_id);
	values[RECEIPT_AT] = TimestampTzGetDatum(jo_clock_now());
	values[RECEIPT_RECORDED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	isnull[RECEIPT_COST] = isnull[RECEIPT_CURRENCY] = !receipt->has_cost;
	if (receipt->has_cost)
	{
		values[RECEIPT_COST] = NumericGetDatum(receipt->cost);
		values[RECEIPT_CURRENCY] = CStringGetTextDatum(receipt->currency);
	}
	jo_append_row(append, values, isnull);
}

/* Is the receipt known already?  Then it costs nothing once more. */
static bool
is_recorded(const JoClaim *claim, const JoReceipt *receipt, Snapshot snapshot)
{
	pg_uuid_t	ids[2];
	int			n = jo_receipt_find(claim->channel, receipt->provider_id,
									snapshot, ids);

	for (int i = 0; i < n; i++)
		if (memcmp(&ids[i], &receipt->message_id, sizeof(pg_uuid_t)) == 0)
			return true;
	return false;
}

/*
 * A message that another relay has sent meanwhile has gone out twice, so its
 * receipt counts too; one without a provider's id cannot be told from a
 * repeated one, and counts with its ack.
 */
void
jo_receipts_record(JoClaim *claim, const JoReceipt *receipts, int n,
				   const bool *is_acked)
{
	bool		is_wanted[JO_PROVIDER_LOCKS] = {false};
	JoAppend   *append = NULL;
	Snapshot	snapshot;

	if (n == 0)
		return;
	for (int i = 0; i < n; i++)
		if (receipts[i].provider_id != NULL)
			is_wanted[jo_report_provider_lock(claim->channel,
											  receipts[i].provider_id)] = true;
	jo_report_lock(JO_REPORT_LOCKS, JO_PROVIDER_LOCKS, is_wanted);
	snapshot = jo_relay_snapshot();
	for (int i = 0; i < n; i++)
	{
		const JoReceipt *receipt = &receipts[i];

		if (receipt->provider_id != NULL ?
			is_recorded(claim, receipt, snapshot) : !is_acked[receipt->place])
			continue;
		if (append == NULL)
			append = jo_append_begin(jo_relation_oid("receipt"));
		append_receipt(append, claim, receipt);
	}
	if (append != NULL)
		jo_append_end(append);
	UnregisterSnapshot(snapshot);
	CommandCounterIncrement();
	apply_early_reports(claim, receipts, n);
}

/* ---- upkeep ---- */

#define PRUNE_EARLY_REPORTS \
	"DELETE FROM journey_orch.early_report WHERE ctid = ANY (ARRAY(" \
	"SELECT ctid FROM journey_orch.early_report WHERE recorded_at < $1" \
	" LIMIT 10000))"

static int64
prune_early_reports(void)
{
	return jo_prune_rows(PRUNE_EARLY_REPORTS,
						 GetCurrentTimestamp() - JO_PRUNE_AFTER);
}

static const JoPrune early_report_prune = {"early_report",
prune_early_reports};

void
jo_receipt_init(void)
{
	jo_prune_register(&early_report_prune);
}

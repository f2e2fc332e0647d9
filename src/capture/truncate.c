/*
 * capture/truncate.c
 *	  TRUNCATE of a watched table: one control event, $truncate, in lane 0.
 *
 * TRUNCATE does not look at rows, so nobody can say which customers it
 * concerns: its event has the empty customer id and names the table.
 * Truncating a partitioned table truncates its partitions with it and fires
 * the trigger of each, the table's own first; those below a table that was
 * just recorded are not recorded again.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_inherits.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

#include "capture/internal.h"

/* Tables truncated together with one that has its event: their triggers come
 * next, once each.  Lives in TopTransactionContext; void in another. */
static List *covered = NIL;
static FullTransactionId covered_in;

/* True when the truncation of "relid" is part of one that has its event. */
static bool
is_covered(Oid relid)
{
	if (!FullTransactionIdEquals(covered_in, GetTopFullTransactionId()))
		return false;
	if (!list_member_oid(covered, relid))
		return false;
	covered = list_delete_oid(covered, relid);
	return true;
}

/* Expect the triggers of everything below "relid". */
static void
cover_descendants(Oid relid)
{
	MemoryContext old_context = MemoryContextSwitchTo(TopTransactionContext);

	if (!FullTransactionIdEquals(covered_in, GetTopFullTransactionId()))
		covered = NIL;
	covered_in = GetTopFullTransactionId();
	covered = list_concat_unique_oid(covered,
									 list_delete_first(find_all_inheritors(relid, NoLock,
																		   NULL)));
	MemoryContextSwitchTo(old_context);
}

/* {"relation": "schema.table"} */
static Jsonb *
payload_of(Relation relation)
{
	char	   *name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
												  RelationGetRelationName(relation));
	JsonbParseState *state = NULL;
	JsonbValue	value;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	value.type = jbvString;
	value.val.string.val = "relation";
	value.val.string.len = strlen("relation");
	pushJsonbValue(&state, WJB_KEY, &value);
	value.val.string.val = name;
	value.val.string.len = strlen(name);
	pushJsonbValue(&state, WJB_VALUE, &value);

	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
look_up(void *arg)
{
	Relation	relation = arg;

	jo_watched_relation(relation);
}

void
jo_capture_truncate(Relation relation)
{
	Oid			relid = RelationGetRelid(relation);
	JoWatchedRelation *watched;
	JoError    *error = NULL;
	JoEvent		event = {0};

	if (is_covered(relid))
		return;

	jo_watch_cache_begin();
	watched = jo_watched_relation_if_cached(relid);
	if (watched == NULL)
	{
		error = jo_guard(look_up, relation, InvalidOid);
		watched = jo_watched_relation_if_cached(relid);
	}
	if (error != NULL)
	{
		JoFailures *failures = jo_failures_begin(relid, "truncate");

		jo_failures_add(failures, JO_CONTROL_TRUNCATE, NULL, NULL, error->sqlstate,
						error->message);
		jo_failures_end(failures);
	}
	else if (watched->count > 0)
	{
		if (relation->rd_rel->relhassubclass)
			cover_descendants(relid);
		event.kind = JO_EVENT_KIND_COMMAND;
		event.customer_id = "";
		event.name = JO_CONTROL_TRUNCATE;
		event.payload = payload_of(relation);
		jo_event_append(&event, 1);
	}
	jo_watch_cache_end();
}

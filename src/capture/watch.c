/*
 * capture/watch.c
 *	  SQL functions watch() and unwatch(): rules that turn row changes into
 *	  events.
 *
 * Declaring checks everything that can be checked without a row, and raises.
 * After that the user's statements never fail because of a watch (trigger.c).
 *
 * The caller must own the relation, because its triggers see every row; the
 * expressions run with that owner's rights.  Nothing here is SECURITY DEFINER:
 * rights are checked first, then our own tables are written as the
 * extension's owner.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "capture/internal.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/leaf.h"
#include "core/run_as.h"

PG_FUNCTION_INFO_V1(journey_orch_watch);
PG_FUNCTION_INFO_V1(journey_orch_unwatch);

/* Arguments of watch(), checked. */
typedef struct Declaration
{
	Oid			relid;
	char	   *event;
	char	   *customer_sql;
	int			operations;		/* JO_OPERATION_* */
	char	   *condition_sql;
	char	   *payload_sql;
	ArrayType  *columns;		/* or NULL */
	Oid			owner;
	bool		by_row;
} Declaration;

static const struct
{
	const char *word;
	int			operation;
}			operation_words[] = {
	{"insert", JO_OPERATION_INSERT},
	{"update", JO_OPERATION_UPDATE},
	{"delete", JO_OPERATION_DELETE}
};

/* Argument number "i" as a string; raises when it is NULL or empty. */
static char *
text_argument(FunctionCallInfo fcinfo, int i, const char *name)
{
	char	   *value;

	if (PG_ARGISNULL(i))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", name)));
	value = text_to_cstring(PG_GETARG_TEXT_PP(i));
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be empty", name)));
	return value;
}

static Oid
relation_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", "relation")));
	return PG_GETARG_OID(0);
}

static char *
event_argument(FunctionCallInfo fcinfo)
{
	char	   *event = text_argument(fcinfo, 1, "event");
	const char *fault = jo_event_name_fault(event);

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" cannot be the name of an event",
						jo_clipped(event)),
				 errdetail("%s", fault)));
	return event;
}

/* Raise unless the caller owns the relation. */
static void
check_owner(Oid relid)
{
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!pg_class_ownercheck(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER,
					   get_relkind_objtype(get_rel_relkind(relid)),
					   get_rel_name(relid));
}

/* Raise for a relation that cannot be watched. */
static void
check_relation(Relation relation)
{
	char		kind = relation->rd_rel->relkind;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE &&
		kind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation \"%s\" cannot be watched",
						RelationGetRelationName(relation)),
				 errdetail("Only tables, partitioned tables and foreign tables have rows that change."),
				 kind == RELKIND_VIEW || kind == RELKIND_MATVIEW ?
				 errhint("Watch the tables the view reads.") : 0));
	if (IsSystemRelation(relation))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation \"%s\" cannot be watched",
						RelationGetRelationName(relation)),
				 errdetail("It is a system catalog.")));
	if (RelationGetNamespace(relation) == jo_schema_oid())
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation \"%s\" cannot be watched",
						RelationGetRelationName(relation)),
				 errdetail("It belongs to journey_orch itself.")));
	if (relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("relation \"%s\" cannot be watched",
						RelationGetRelationName(relation)),
				 errdetail("It is temporary: its rows exist for one session only."),
				 errhint("Use a permanent table, or journey_orch.emit().")));
}

static int
operations_argument(FunctionCallInfo fcinfo)
{
	Datum	   *words;
	bool	   *isnull;
	int			count;
	int			operations = 0;

	if (PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", "operations")));

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(3), TEXTOID, -1, false,
					  TYPALIGN_INT, &words, &isnull, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *word = isnull[i] ? "NULL" : TextDatumGetCString(words[i]);
		int			operation = 0;

		for (int j = 0; j < lengthof(operation_words); j++)
			if (strcmp(word, operation_words[j].word) == 0)
				operation = operation_words[j].operation;
		if (operation == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("\"%s\" is not an operation", jo_clipped(word)),
					 errhint("Operations are insert, update and delete.")));
		operations |= operation;
	}
	if (operations == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be empty", "operations"),
				 errhint("Operations are insert, update and delete.")));
	return operations;
}

/* The operations as text[], in a fixed order. */
static Datum
operations_array(int operations)
{
	Datum		words[lengthof(operation_words)];
	int			count = 0;

	for (int i = 0; i < lengthof(operation_words); i++)
		if (operations & operation_words[i].operation)
			words[count++] = CStringGetTextDatum(operation_words[i].word);
	return PointerGetDatum(construct_array(words, count, TEXTOID, -1, false,
										   TYPALIGN_INT));
}

static void
check_columns(ArrayType *columns, Relation relation)
{
	Datum	   *names;
	bool	   *isnull;
	int			count;
	List	   *seen = NIL;

	deconstruct_array(columns, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &names, &isnull, &count);
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be empty", "columns"),
				 errhint("Leave it out for all columns; an empty payload is a payload_sql.")));
	for (int i = 0; i < count; i++)
	{
		const char *name = isnull[i] ? "NULL" : NameStr(*DatumGetName(names[i]));
		AttrNumber	attnum = isnull[i] ? 0 :
		get_attnum(RelationGetRelid(relation), name);

		if (attnum <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of relation \"%s\" does not exist",
							name, RelationGetRelationName(relation)),
					 errdetail("It is named in argument \"columns\".")));
		if (list_member_int(seen, attnum))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" is named twice", name),
					 errdetail("It is named in argument \"columns\".")));
		seen = lappend_int(seen, attnum);
	}
}

/* Raise an error of an expression, saying in which argument it is. */
static void
raise_in_argument(const JoError *error, const char *argument, const char *sql)
{
	ereport(ERROR,
			(errcode(MAKE_SQLSTATE(error->sqlstate[0], error->sqlstate[1],
								   error->sqlstate[2], error->sqlstate[3],
								   error->sqlstate[4])),
			 errmsg("%s", error->message),
			 error->detail != NULL ?
			 errdetail("%s (In argument \"%s\".)", error->detail, argument) :
			 errdetail("In argument \"%s\".", argument),
			 error->hint != NULL ? errhint("%s", error->hint) : 0,
			 internalerrposition(error->position),
			 internalerrquery(sql)));
}

static void
check_expression(const Declaration *declaration, Relation relation,
				 const char *argument, const char *sql, Oid type)
{
	JoError    *error = NULL;
	JoRowExpression *expression;

	if (sql == NULL)
		return;
	expression = jo_row_expression_compile(sql, relation, type,
										   declaration->owner, &error);
	if (error != NULL)
		raise_in_argument(error, argument, sql);

	if (declaration->operations == JO_OPERATION_INSERT &&
		jo_row_expression_uses(expression) & JO_USES_OLD)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" reads OLD, but only inserts are watched",
						argument),
				 errhint("Add 'update' or 'delete' to operations, or read NEW.")));
	if (declaration->operations == JO_OPERATION_DELETE &&
		jo_row_expression_uses(expression) & JO_USES_NEW)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" reads NEW, but only deletes are watched",
						argument),
				 errhint("Add 'insert' or 'update' to operations, or read OLD.")));
}

/* Tell the author when OLD and NEW cannot be checked to belong together. */
static void
notice_missing_key(const Declaration *declaration, Relation relation)
{
	AttrNumber *key;

	if (declaration->by_row || !(declaration->operations & JO_OPERATION_UPDATE))
		return;
	if (jo_relation_key(relation, &key) == 0)
		ereport(NOTICE,
				(errmsg("relation \"%s\" has no primary key or replica identity",
						RelationGetRelationName(relation)),
				 errdetail("OLD and NEW of an update are paired by their order, and capture_error cannot name rows.")));
}

/* Write the row; 'created', 'replaced' or 'unchanged'. */
static const char *
store(const Declaration *declaration)
{
	static const Oid types[] = {
		OIDOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID, TEXTOID,
		NAMEARRAYOID, OIDOID, TEXTOID
	};
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types) + 1] = "         ";
	const char *verdict;
	bool		isnull;

	values[0] = ObjectIdGetDatum(declaration->relid);
	values[1] = CStringGetTextDatum(declaration->event);
	values[2] = CStringGetTextDatum(declaration->customer_sql);
	values[3] = operations_array(declaration->operations);
	nulls[4] = declaration->condition_sql == NULL ? 'n' : ' ';
	values[4] = nulls[4] == 'n' ? (Datum) 0 :
		CStringGetTextDatum(declaration->condition_sql);
	nulls[5] = declaration->payload_sql == NULL ? 'n' : ' ';
	values[5] = nulls[5] == 'n' ? (Datum) 0 :
		CStringGetTextDatum(declaration->payload_sql);
	nulls[6] = declaration->columns == NULL ? 'n' : ' ';
	values[6] = PointerGetDatum(declaration->columns);
	values[7] = ObjectIdGetDatum(declaration->owner);
	values[8] = CStringGetTextDatum(declaration->by_row ? "row" : "statement");

	SPI_execute_with_args("SELECT (customer_sql, operations, condition_sql, payload_sql, columns, owner::oid)"
						  " IS NOT DISTINCT FROM ($3, $4, $5, $6, $7, $8)"
						  " FROM journey_orch.watch WHERE relation = $1 AND event = $2",
						  8, (Oid *) types, values, nulls, false, 1);
	if (SPI_processed == 0)
		verdict = "created";
	else if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull)))
		verdict = "unchanged";
	else
		verdict = "replaced";

	if (strcmp(verdict, "unchanged") != 0)
		SPI_execute_with_args("INSERT INTO journey_orch.watch (relation, event, customer_sql, operations,"
							  " condition_sql, payload_sql, columns, owner, mode, changed_at)"
							  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, pg_catalog.now())"
							  " ON CONFLICT (relation, event) DO UPDATE SET customer_sql = excluded.customer_sql,"
							  " operations = excluded.operations, condition_sql = excluded.condition_sql,"
							  " payload_sql = excluded.payload_sql, columns = excluded.columns,"
							  " owner = excluded.owner, mode = excluded.mode, changed_at = excluded.changed_at",
							  9, (Oid *) types, values, nulls, false, 0);
	return verdict;
}

bool
jo_watch_set_mode(Oid relid, bool by_row)
{
	Oid			types[] = {OIDOID, TEXTOID};
	Datum		values[2];
	bool		has_changed;
	JoRunAs		run_as;

	values[0] = ObjectIdGetDatum(relid);
	values[1] = CStringGetTextDatum(by_row ? "row" : "statement");

	jo_run_as_extension(&run_as);
	SPI_connect();
	SPI_execute_with_args("UPDATE journey_orch.watch SET mode = $2"
						  " WHERE relation = $1 AND mode <> $2",
						  2, types, values, NULL, false, 0);
	has_changed = SPI_processed > 0;
	if (has_changed)
		jo_definition_changed("watch");
	SPI_finish();
	jo_run_as_end(&run_as);
	CommandCounterIncrement();

	return has_changed;
}

/* Check everything that can be checked before the first row. */
static void
check_declaration(Declaration *declaration)
{
	Relation	relation = table_open(declaration->relid, NoLock);

	check_relation(relation);
	declaration->owner = relation->rd_rel->relowner;
	declaration->by_row = jo_watch_needs_rows(declaration->relid);
	if (declaration->columns != NULL)
		check_columns(declaration->columns, relation);
	check_expression(declaration, relation, "customer_sql",
					 declaration->customer_sql, TEXTOID);
	check_expression(declaration, relation, "condition_sql",
					 declaration->condition_sql, BOOLOID);
	check_expression(declaration, relation, "payload_sql",
					 declaration->payload_sql, JSONBOID);
	notice_missing_key(declaration, relation);
	table_close(relation, NoLock);
}

/*
 * SQL: journey_orch.watch(relation, event, customer_sql, operations,
 * condition_sql, payload_sql, columns)
 */
Datum
journey_orch_watch(PG_FUNCTION_ARGS)
{
	Declaration declaration = {0};
	JoRunAs		run_as;
	const char *verdict;

	declaration.relid = relation_argument(fcinfo);
	declaration.event = event_argument(fcinfo);
	declaration.customer_sql = text_argument(fcinfo, 2, "customer_sql");
	declaration.operations = operations_argument(fcinfo);
	if (!PG_ARGISNULL(4))
		declaration.condition_sql = text_argument(fcinfo, 4, "condition_sql");
	if (!PG_ARGISNULL(5))
		declaration.payload_sql = text_argument(fcinfo, 5, "payload_sql");
	if (!PG_ARGISNULL(6))
		declaration.columns = PG_GETARG_ARRAYTYPE_P(6);
	if (declaration.payload_sql != NULL && declaration.columns != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("arguments \"payload_sql\" and \"columns\" exclude each other")));

	check_owner(declaration.relid);
	LockRelationOid(declaration.relid, ShareRowExclusiveLock);
	check_owner(declaration.relid);
	check_declaration(&declaration);

	jo_leaf_ensure();
	jo_run_as_extension(&run_as);
	SPI_connect();
	verdict = store(&declaration);
	SPI_finish();
	jo_definition_changed("watch");
	jo_run_as_end(&run_as);
	CommandCounterIncrement();

	jo_watch_set_mode(declaration.relid, declaration.by_row);
	jo_triggers_install(declaration.relid);

	PG_RETURN_TEXT_P(cstring_to_text(verdict));
}

/* Does the stored watch of the engine's own say the same?  Needs SPI. */
static bool
is_watched_so(const Declaration *declaration)
{
	Oid			types[] = {OIDOID, TEXTOID, TEXTOID, TEXTOID, OIDOID};
	Datum		values[5];

	values[0] = ObjectIdGetDatum(declaration->relid);
	values[1] = CStringGetTextDatum(declaration->event);
	values[2] = CStringGetTextDatum(declaration->customer_sql);
	values[3] = CStringGetTextDatum(declaration->condition_sql);
	values[4] = ObjectIdGetDatum(declaration->owner);
	SPI_execute_with_args("SELECT FROM journey_orch.watch WHERE relation = $1"
						  " AND event = $2 AND customer_sql = $3"
						  " AND condition_sql = $4 AND owner = $5",
						  5, types, values, NULL, false, 1);
	return SPI_processed == 1;
}

/* Delete the engine's own watches of the name but the one on "relid". */
static void
delete_own(const char *event, Oid relid)
{
	Oid			types[] = {TEXTOID, OIDOID};
	Datum		values[2];
	List	   *relids = NIL;
	MemoryContext context = CurrentMemoryContext;
	ListCell   *cell;
	JoRunAs		run_as;

	values[0] = CStringGetTextDatum(event);
	values[1] = ObjectIdGetDatum(relid);
	jo_run_as_extension(&run_as);
	SPI_connect();
	SPI_execute_with_args("DELETE FROM journey_orch.watch"
						  " WHERE event = $1 AND relation <> $2"
						  " RETURNING relation::oid",
						  2, types, values, NULL, false, 0);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);
		bool		isnull;

		relids = lappend_oid(relids,
							 DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[row],
															SPI_tuptable->tupdesc,
															1, &isnull)));
		MemoryContextSwitchTo(caller);
	}
	if (relids != NIL)
		jo_definition_changed("watch");
	SPI_finish();
	jo_run_as_end(&run_as);
	CommandCounterIncrement();
	foreach(cell, relids)
		if (get_rel_relkind(lfirst_oid(cell)) != '\0')
		jo_triggers_install(lfirst_oid(cell));
}

/* True when every expression compiles as the relation's owner. */
static bool
compiles(const Declaration *declaration, Relation relation)
{
	JoError    *error = NULL;

	(void) jo_row_expression_compile(declaration->customer_sql, relation,
									 TEXTOID, declaration->owner, &error);
	if (error == NULL)
		(void) jo_row_expression_compile(declaration->condition_sql, relation,
										 BOOLOID, declaration->owner, &error);
	return error == NULL;
}

bool
jo_watch_own(Oid relid, const char *event, const char *customer_sql,
			 const char *condition_sql, bool changes)
{
	Declaration declaration = {
		.relid = relid,
		.event = unconstify(char *, event),
		.customer_sql = unconstify(char *, customer_sql),
		.condition_sql = unconstify(char *, condition_sql),
		.payload_sql = "'{}'::jsonb",
		.operations = JO_OPERATION_INSERT | JO_OPERATION_UPDATE |
		JO_OPERATION_DELETE
	};
	Relation	relation = table_open(relid, AccessShareLock);
	bool		is_so;
	JoRunAs		run_as;

	declaration.owner = relation->rd_rel->relowner;
	is_so = compiles(&declaration, relation);
	table_close(relation, NoLock);
	if (!is_so)
		return false;
	jo_run_as_extension(&run_as);
	SPI_connect();
	is_so = is_watched_so(&declaration);
	SPI_finish();
	jo_run_as_end(&run_as);
	if (is_so || !changes)
		return is_so;

	LockRelationOid(relid, ShareRowExclusiveLock);
	declaration.by_row = jo_watch_needs_rows(relid);
	jo_run_as_extension(&run_as);
	SPI_connect();
	(void) store(&declaration);
	SPI_finish();
	jo_definition_changed("watch");
	jo_run_as_end(&run_as);
	CommandCounterIncrement();
	(void) jo_watch_set_mode(relid, declaration.by_row);
	jo_triggers_install(relid);
	delete_own(event, relid);
	return true;
}

void
jo_unwatch_own(const char *event)
{
	delete_own(event, InvalidOid);
}

/* SQL: journey_orch.unwatch(relation, event) */
Datum
journey_orch_unwatch(PG_FUNCTION_ARGS)
{
	Oid			relid = relation_argument(fcinfo);
	char	   *event = text_argument(fcinfo, 1, "event");
	Oid			types[] = {OIDOID, TEXTOID};
	Datum		values[2];
	uint64		deleted;
	JoRunAs		run_as;

	check_owner(relid);
	LockRelationOid(relid, ShareRowExclusiveLock);

	values[0] = ObjectIdGetDatum(relid);
	values[1] = CStringGetTextDatum(event);
	jo_run_as_extension(&run_as);
	SPI_connect();
	SPI_execute_with_args("DELETE FROM journey_orch.watch"
						  " WHERE relation = $1 AND event = $2",
						  2, types, values, NULL, false, 0);
	deleted = SPI_processed;
	SPI_finish();
	jo_definition_changed("watch");
	jo_run_as_end(&run_as);
	CommandCounterIncrement();

	if (deleted == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation \"%s\" has no watch for event \"%s\"",
						get_rel_name(relid), jo_clipped(event)),
				 errhint("View journey_orch.watch_status lists the watches.")));
	jo_triggers_install(relid);
	PG_RETURN_VOID();
}

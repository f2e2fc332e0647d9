/*
 * audience/bind.c
 *	  bind_customer(): declares which relation is "customer".
 *
 * The caller becomes the owner of the binding: whoever evaluates "customer"
 * reads the relation with his rights, so he must own it or hold SELECT on all
 * of it.  Both expressions and the load statement as a whole are compiled
 * before anything is written.
 *
 * Nothing proves that id_sql is unique (the relation may be a view); for a
 * customer of whom several rows are found, the load gives an error.
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "audience/binding.h"
#include "core/definition.h"
#include "core/expression.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"

PG_FUNCTION_INFO_V1(journey_orch_bind_customer);

JoCustomerBound jo_customer_bound = NULL;

static void
ensure_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						name, "bind_customer")));
}

/* Optional text argument; NULL and '' are the same. */
static char *
optional_text(FunctionCallInfo fcinfo, int argument)
{
	char	   *value;

	if (PG_ARGISNULL(argument))
		return NULL;
	value = text_to_cstring(PG_GETARG_TEXT_PP(argument));
	return value[0] == '\0' ? NULL : value;
}

/*
 * Raise unless "relid" is a relation that the caller may bind.  Keeps a lock
 * on it to the end of the transaction.
 */
static void
ensure_bindable(Oid relid)
{
	HeapTuple	tuple;
	Form_pg_class form;

	LockRelationOid(relid, AccessShareLock);
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	form = (Form_pg_class) GETSTRUCT(tuple);

	switch (form->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_VIEW:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is not a table or view", NameStr(form->relname))));
	}
	if (form->relnamespace == jo_schema_oid() ||
		form->relnamespace == PG_CATALOG_NAMESPACE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relation \"%s\" of schema \"%s\" cannot be bound as customer",
						NameStr(form->relname),
						get_namespace_name(form->relnamespace)),
				 errhint("Bind a table or view of your own.")));
	if (form->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("temporary relation \"%s\" cannot be bound as customer",
						NameStr(form->relname)),
				 errdetail("Workers cannot read it.")));
	if (!pg_class_ownercheck(relid, GetUserId()) &&
		pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for relation \"%s\"", NameStr(form->relname)),
				 errhint("Binding it needs SELECT on the whole relation.")));

	ReleaseSysCache(tuple);
}

/* Compile the expressions and the load statement as the binding's owner. */
static void
ensure_compiles(const JoBinding *binding)
{
	JoRunAs		saved;
	Oid			types[2];
	char	   *sql;

	jo_run_as_owner(&saved, binding->owner);
	jo_expression_pin_settings();
	sql = jo_binding_statement(binding, &types[0]);
	types[0] = get_array_type(types[0]);
	types[1] = INT4ARRAYOID;

	SPI_connect();
	if (SPI_prepare(sql, 2, types) == NULL)
		elog(ERROR, "could not prepare the load of customers: %s",
			 SPI_result_code_string(SPI_result));
	SPI_finish();
	jo_run_as_end(&saved);
}

static void
write_binding(const JoBinding *binding)
{
	Oid			types[6] = {REGCLASSOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
	REGROLEOID};
	Datum		values[6];
	char		nulls[7] = "      ";
	JoRunAs		saved;

	values[0] = ObjectIdGetDatum(binding->relation);
	values[1] = CStringGetTextDatum(binding->id_sql);
	values[2] = values[3] = values[4] = (Datum) 0;
	if (binding->timezone_sql != NULL)
		values[2] = CStringGetTextDatum(binding->timezone_sql);
	else
		nulls[2] = 'n';
	if (binding->locale_sql != NULL)
		values[3] = CStringGetTextDatum(binding->locale_sql);
	else
		nulls[3] = 'n';
	if (binding->region_sql != NULL)
		values[4] = CStringGetTextDatum(binding->region_sql);
	else
		nulls[4] = 'n';
	values[5] = ObjectIdGetDatum(binding->owner);

	jo_run_as_extension(&saved);
	SPI_connect();
	SPI_execute_with_args("INSERT INTO journey_orch.customer_binding"
						  " (relation, id_sql, timezone_sql, locale_sql, region_sql, owner, changed_at)"
						  " VALUES ($1, $2, $3, $4, $5, $6, clock_timestamp())"
						  " ON CONFLICT (singleton) DO UPDATE"
						  " SET relation = excluded.relation, id_sql = excluded.id_sql,"
						  " timezone_sql = excluded.timezone_sql,"
						  " locale_sql = excluded.locale_sql,"
						  " region_sql = excluded.region_sql,"
						  " owner = excluded.owner, changed_at = excluded.changed_at",
						  6, types, values, nulls, false, 0);
	SPI_finish();
	jo_run_as_end(&saved);
	jo_definition_changed("customer_binding");
}

static bool
is_same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool
is_same_binding(const JoBinding *a, const JoBinding *b)
{
	return a->relation == b->relation && a->owner == b->owner &&
		is_same_text(a->id_sql, b->id_sql) &&
		is_same_text(a->timezone_sql, b->timezone_sql) &&
		is_same_text(a->locale_sql, b->locale_sql) &&
		is_same_text(a->region_sql, b->region_sql);
}

/* The relation for a message, by name while it exists. */
static char *
relation_name(Oid relid)
{
	char	   *name = get_rel_name(relid);

	if (name == NULL)
		return pstrdup("a relation that does not exist any more");
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)), name);
}

/*
 * bind_customer(relation, id_sql, timezone_sql, locale_sql, region_sql) →
 * 'bound', 'replaced' or 'unchanged'.
 */
Datum
journey_orch_bind_customer(PG_FUNCTION_ARGS)
{
	JoBinding	binding;
	JoBinding	old;
	bool		exists;

	ensure_argument(fcinfo, 0, "relation");
	ensure_argument(fcinfo, 1, "id_sql");
	memset(&binding, 0, sizeof(binding));
	binding.relation = PG_GETARG_OID(0);
	binding.owner = GetUserId();
	binding.id_sql = text_to_cstring(PG_GETARG_TEXT_PP(1));
	binding.timezone_sql = optional_text(fcinfo, 2);
	binding.locale_sql = optional_text(fcinfo, 3);
	binding.region_sql = optional_text(fcinfo, 4);

	ensure_bindable(binding.relation);
	ensure_compiles(&binding);
	jo_leaf_ensure();

	jo_lock(JO_LOCK_NAME, jo_lock_key("customer_binding"));
	exists = jo_binding_read(&old);
	if (exists && is_same_binding(&binding, &old))
		PG_RETURN_TEXT_P(cstring_to_text("unchanged"));

	write_binding(&binding);
	if (jo_customer_bound != NULL)
		jo_customer_bound();
	if (!exists)
		PG_RETURN_TEXT_P(cstring_to_text("bound"));

	ereport(NOTICE,
			(errmsg("the customer binding was replaced"),
			 errdetail("It was %s, id_sql %s.",
					   relation_name(old.relation), old.id_sql)));
	PG_RETURN_TEXT_P(cstring_to_text("replaced"));
}

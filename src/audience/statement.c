/*
 * audience/statement.c
 *	  The binding's expressions: checked, and put into the statement that loads
 *	  a group of customers.
 *
 * An expression of a binding is one SQL expression over the columns of the
 * bound relation, named without qualification.  It is analysed here on its
 * own, so that an error points into the author's text, and then pasted, in
 * parentheses of its own lines, into the load statement: text that the parser
 * accepted as one whole expression stays one in parentheses.
 *
 * Ids are compared in the type of id_sql where that is int2, int4, int8, uuid
 * or text, so that an index on the key serves, else as text.  A cast of such a
 * column to text is looked through: id_sql "id::text" uses the index on id.
 *
 * Aggregates, window functions, set-returning functions, sub-selects and
 * volatile functions are refused: what needs a sub-select belongs in a view.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

#include "audience/binding.h"
#include "core/errors.h"

/* The expression that an error is about. */
typedef struct Subject
{
	const char *argument;		/* id_sql, timezone_sql, ... */
	const char *sql;
} Subject;

/*
 * Error context: a position found by the parser is one in the author's
 * expression, not in the statement that the client sent.
 */
static void
point_into_expression(void *arg)
{
	const Subject *subject = (const Subject *) arg;
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(subject->sql);
	}
	errcontext("%s of the customer binding", subject->argument);
}

/* The expression as the grammar sees it; raises unless it is exactly one. */
static Node *
parse_expression(const Subject *subject)
{
	List	   *statements = raw_parser(subject->sql, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *select;
	ResTarget  *target;

	select = castNode(SelectStmt, linitial_node(RawStmt, statements)->stmt);
	if (list_length(select->targetList) != 1 ||
		select->distinctClause != NIL || select->fromClause != NIL ||
		select->whereClause != NULL || select->groupClause != NIL ||
		select->havingClause != NULL || select->windowClause != NIL ||
		select->sortClause != NIL || select->limitOffset != NULL ||
		select->limitCount != NULL || select->lockingClause != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_EXPRESSION),
				 errmsg("\"%s\" must be one expression", subject->argument),
				 errhint("Write an expression over the columns of the relation, such as customer_id.")));

	target = linitial_node(ResTarget, select->targetList);
	if (IsA(target->val, ColumnRef) &&
		IsA(llast(castNode(ColumnRef, target->val)->fields), A_Star))
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_EXPRESSION),
				 errmsg("\"%s\" must be one expression, not \"*\"", subject->argument),
				 errposition(target->location + 1)));
	if (target->name != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_EXPRESSION),
				 errmsg("\"%s\" must be one expression without an alias",
						subject->argument),
				 errposition(target->location + 1)));
	return target->val;
}

/* Raise when the analysed expression uses what a binding may not. */
static void
ensure_allowed(const Subject *subject, ParseState *pstate, Node *expr)
{
	const char *what = NULL;

	if (pstate->p_hasAggs)
		what = "an aggregate function";
	else if (pstate->p_hasWindowFuncs)
		what = "a window function";
	else if (pstate->p_hasTargetSRFs)
		what = "a set-returning function";
	else if (pstate->p_hasSubLinks)
		what = "a sub-select";
	else if (contain_volatile_functions(expr))
		what = "a volatile function";

	if (what != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_EXPRESSION),
				 errmsg("\"%s\" uses %s", subject->argument, what),
				 errhint("Bind a view that computes the value as a column.")));
}

/*
 * Analyse one expression over the relation's columns, and check that it can be
 * cast to text.  Returns the expression before that cast.
 */
static Node *
analyse_expression(Relation relation, const char *argument, const char *sql)
{
	Subject		subject = {argument, sql};
	ErrorContextCallback callback;
	ParseState *pstate;
	ParseNamespaceItem *nsitem;
	Node	   *expr;

	callback.callback = point_into_expression;
	callback.arg = &subject;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	pstate = make_parsestate(NULL);
	pstate->p_sourcetext = sql;
	nsitem = addRangeTableEntryForRelation(pstate, relation, AccessShareLock,
										   NULL, false, false);
	addNSItemToQuery(pstate, nsitem, false, false, true);

	expr = transformExpr(pstate, parse_expression(&subject),
						 EXPR_KIND_SELECT_TARGET);
	if (exprType(expr) == UNKNOWNOID)
		expr = coerce_type(pstate, expr, UNKNOWNOID, TEXTOID, -1,
						   COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
	if (coerce_to_target_type(pstate, expr, exprType(expr), TEXTOID, -1,
							  COERCION_EXPLICIT, COERCE_EXPLICIT_CAST, -1) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_COERCE),
				 errmsg("\"%s\" has type %s, which cannot be cast to text",
						argument, format_type_be(exprType(expr)))));
	assign_expr_collations(pstate, expr);
	ensure_allowed(&subject, pstate, expr);
	free_parsestate(pstate);

	error_context_stack = callback.previous;
	return expr;
}

/* True for the types in which ids are compared as such. */
static bool
is_native_key(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID ||
		type == UUIDOID || type == TEXTOID || type == VARCHAROID;
}

/*
 * Choose how ids are compared: returns SQL for the row's side and sets the
 * type of the parameter.  Looking through a cast to text is safe because the
 * load compares id_sql's text once more, byte by byte.
 */
static char *
choose_key(Relation relation, const JoBinding *binding, Node *expr, Oid *key_type)
{
	Node	   *inner = expr;
	Oid			type;

	if (IsA(inner, CoerceViaIO) && exprType(inner) == TEXTOID)
		inner = (Node *) castNode(CoerceViaIO, inner)->arg;
	while (IsA(inner, RelabelType))
		inner = (Node *) castNode(RelabelType, inner)->arg;

	if (IsA(inner, Var) && castNode(Var, inner)->varattno > 0 &&
		is_native_key(getBaseType(exprType(inner))))
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(relation),
												 castNode(Var, inner)->varattno - 1);

		type = getBaseType(column->atttypid);
		*key_type = type == VARCHAROID ? TEXTOID : type;
		return pstrdup(quote_identifier(NameStr(column->attname)));
	}

	type = getBaseType(exprType(expr));
	if (is_native_key(type) && type != VARCHAROID)
	{
		*key_type = type;
		return psprintf("(\n%s\n)", binding->id_sql);
	}

	*key_type = TEXTOID;
	return psprintf("(\n%s\n)::pg_catalog.text", binding->id_sql);
}

/* A name for the relation in the statement that is no name of its columns, so
 * that it denotes the whole row. */
static char *
choose_alias(Relation relation)
{
	TupleDesc	descriptor = RelationGetDescr(relation);
	char	   *alias = pstrdup("jo_row");
	int			i = 0;

	while (i < descriptor->natts)
	{
		if (strcmp(NameStr(TupleDescAttr(descriptor, i)->attname), alias) == 0)
		{
			alias = psprintf("%s_", alias);
			i = 0;
		}
		else
			i++;
	}
	return alias;
}

/* The expression as text, or a NULL of type text. */
static char *
text_of(const char *sql)
{
	if (sql == NULL)
		return pstrdup("NULL::pg_catalog.text");
	return psprintf("(\n%s\n)::pg_catalog.text", sql);
}

/* The bound relation; raises when it is gone.  The lock is kept. */
static Relation
open_relation(const JoBinding *binding)
{
	Relation	relation = try_table_open(binding->relation, AccessShareLock);

	if (relation == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the relation bound as customer does not exist any more"),
				 errhint("Bind another one with journey_orch.bind_customer().")));
	return relation;
}

/* Its name, qualified. */
static char *
name_of(Relation relation)
{
	return quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
									  RelationGetRelationName(relation));
}

char *
jo_binding_statement(const JoBinding *binding, Oid *key_type)
{
	Relation	relation = open_relation(binding);
	StringInfoData sql;
	Node	   *id;
	char	   *alias;
	char	   *key;

	id = analyse_expression(relation, "id_sql", binding->id_sql);
	if (!contain_var_clause(id))
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_EXPRESSION),
				 errmsg("\"id_sql\" uses no column of the relation"),
				 errhint("Name the column that identifies a customer.")));
	if (binding->timezone_sql != NULL)
		analyse_expression(relation, "timezone_sql", binding->timezone_sql);
	if (binding->locale_sql != NULL)
		analyse_expression(relation, "locale_sql", binding->locale_sql);
	if (binding->region_sql != NULL)
		analyse_expression(relation, "region_sql", binding->region_sql);

	alias = choose_alias(relation);
	key = choose_key(relation, binding, id, key_type);

	/*
	 * The sub-select keeps the columns of the key list out of the way of
	 * unqualified names in the expressions; the planner pulls it up.
	 */
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT jo_key.n, jo_customer.*\n"
					 "FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS jo_key(k, n)\n"
					 "CROSS JOIN LATERAL (SELECT %s, %s, %s, %s, %s\n"
					 "FROM %s AS %s\n"
					 "WHERE %s OPERATOR(pg_catalog.=) jo_key.k",
					 alias, text_of(binding->id_sql),
					 text_of(binding->timezone_sql), text_of(binding->locale_sql),
					 text_of(binding->region_sql),
					 name_of(relation), alias, key);

	/* postgres_fdw ships a comparison with an array, but no such join. */
	if (relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		appendStringInfo(&sql, " AND %s OPERATOR(pg_catalog.=) ANY ($1)", key);
	appendStringInfoString(&sql, ") AS jo_customer");

	table_close(relation, NoLock);
	return sql.data;
}

char *
jo_binding_invention(const JoBinding *binding)
{
	Relation	relation = open_relation(binding);
	StringInfoData sql;
	char	   *alias = choose_alias(relation);

	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "SELECT jo_invented.n::pg_catalog.int4 - 1, jo_customer.*\n"
					 "FROM ROWS FROM (pg_catalog.unnest($1)) WITH ORDINALITY AS jo_invented(v, n)\n"
					 "CROSS JOIN LATERAL (SELECT %s, %s, %s, %s, %s\n"
					 "FROM pg_catalog.jsonb_populate_record(NULL::%s, jo_invented.v) AS %s) AS jo_customer",
					 alias, text_of(binding->id_sql),
					 text_of(binding->timezone_sql), text_of(binding->locale_sql),
					 text_of(binding->region_sql),
					 name_of(relation), alias);
	table_close(relation, NoLock);
	return sql.data;
}

char *
jo_binding_page_statement(const JoBinding *binding, bool goes_on)
{
	Relation	relation = open_relation(binding);
	Node	   *id = analyse_expression(relation, "id_sql", binding->id_sql);
	char	   *alias = choose_alias(relation);
	StringInfoData sql;
	Oid			type;
	char	   *key = choose_key(relation, binding, id, &type);

	/* ORDER BY takes a name for one of the result: let none be a column's */
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s AS %s, %s::pg_catalog.text AS %s FROM %s AS %s WHERE ",
					 text_of(binding->id_sql), alias, key, alias,
					 name_of(relation), alias);
	if (goes_on)
		appendStringInfo(&sql, "%s OPERATOR(pg_catalog.>) $1::%s", key,
						 format_type_be_qualified(type));
	else
		appendStringInfo(&sql, "%s IS NOT NULL", key);
	appendStringInfo(&sql, " ORDER BY %s LIMIT $2", key);
	table_close(relation, NoLock);
	return sql.data;
}

/* Columns that an expression of the binding reads, as attribute numbers. */
static Bitmapset *
columns_of(Node *expr)
{
	Bitmapset  *offsets = NULL;
	Bitmapset  *columns = NULL;
	int			offset = -1;

	pull_varattnos(expr, 1, &offsets);
	while ((offset = bms_next_member(offsets, offset)) >= 0)
	{
		int			column = offset + FirstLowInvalidHeapAttributeNumber;

		if (column > 0)
			columns = bms_add_member(columns, column);
	}
	return columns;
}

void
jo_binding_rows(const JoBinding *binding, JoCustomerRows *rows)
{
	Relation	relation = open_relation(binding);
	Node	   *id = analyse_expression(relation, "id_sql", binding->id_sql);

	rows->relation = binding->relation;
	rows->id_columns = columns_of(id);
	rows->new_id = deparse_expression(id,
									  deparse_context_for("new", binding->relation),
									  true, false);
	rows->old_id = deparse_expression(id,
									  deparse_context_for("old", binding->relation),
									  true, false);
	rows->zone_columns = NULL;
	if (binding->timezone_sql != NULL)
		rows->zone_columns =
			columns_of(analyse_expression(relation, "timezone_sql",
										  binding->timezone_sql));
	table_close(relation, NoLock);
}

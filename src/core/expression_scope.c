/*
 * core/expression_scope.c
 *	  The variables customer, event, context, journey and message, as the
 *	  parser's column hook sees them.
 *
 * The hook comes after PostgreSQL's own look-up, so a column or table of an
 * inner sub-select wins over a variable, as SQL scoping has it.  A variable
 * becomes a column of the outermost query's hidden entry (see JoResolver); in
 * a sub-select that is an ordinary outer reference, which the planner can
 * use for an index or a hash table.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
#include "utils/varlena.h"

#include "core/errors.h"
#include "core/expression_private.h"
#include "core/leaf.h"

/* In the order of the bits JO_USES_*. */
static const char *const variable_names[JO_VARIABLES] =
{"customer", "event", "context", "journey", "message"};

/* Its place there. */
#define MESSAGE 4

/* A composite type of ours. */
static Oid
type_of_ours(const char *name)
{
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum(name),
									   ObjectIdGetDatum(jo_schema_oid()));

	if (!OidIsValid(type))
		elog(ERROR, "type journey_orch.%s does not exist", name);
	return type;
}

/* The columns of the hidden entry, in CurrentMemoryContext. */
TupleDesc
jo_expression_rows_descriptor(const JoScope *scope)
{
	TupleDesc	descriptor = CreateTemplateTupleDesc(JO_ROWS_COLUMNS);
	Oid			customer = scope->customer_type;

	/* without a binding the column is never read, but needs some type */
	if (!OidIsValid(customer))
		customer = TEXTOID;

	TupleDescInitEntry(descriptor, 1, "_jo_ord", INT4OID, -1, 0);
	TupleDescInitEntry(descriptor, 2, variable_names[0], customer, -1, 0);
	TupleDescInitEntry(descriptor, 3, variable_names[1], JSONBOID, -1, 0);
	TupleDescInitEntry(descriptor, 4, variable_names[2], JSONBOID, -1, 0);
	TupleDescInitEntry(descriptor, 5, variable_names[3],
					   type_of_ours("journey_variable"), -1, 0);
	TupleDescInitEntry(descriptor, 6, variable_names[4],
					   type_of_ours("message_variable"), -1, 0);
	return descriptor;
}

/*
 * Set *nearest to the live column whose name is closest to "wanted", when it
 * is close enough to be what was meant.
 */
void
jo_expression_name_nearest(const char *wanted, TupleDesc descriptor,
						   char **nearest)
{
	int			best = Min(3, (int) strlen(wanted) / 2) + 1;

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
		const char *name = NameStr(attribute->attname);
		int			distance;

		if (attribute->attisdropped)
			continue;
		distance = varstr_levenshtein_less_equal(wanted, strlen(wanted),
												 name, strlen(name),
												 1, 1, 1, best, true);
		if (distance < best)
		{
			best = distance;
			*nearest = pstrdup(name);
		}
	}
}

static int
find_attribute(TupleDesc descriptor, const char *name)
{
	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);

		if (!attribute->attisdropped &&
			strcmp(NameStr(attribute->attname), name) == 0)
			return i;
	}
	return -1;
}

/*
 * The rows of customers come from the engine, not from a query of the owner's,
 * so nothing else checks that he may read them.  "attribute" 0: all columns.
 */
static void
ensure_readable(ParseState *pstate, Oid customer_type, AttrNumber attribute,
				int location)
{
	Oid			relation = get_typ_typrelid(customer_type);
	Oid			role = GetUserId();

	if (pg_class_aclcheck(relation, role, ACL_SELECT) == ACLCHECK_OK)
		return;
	if (attribute == 0 ?
		pg_attribute_aclcheck_all(relation, role, ACL_SELECT,
								  ACLMASK_ALL) == ACLCHECK_OK :
		pg_attribute_aclcheck(relation, attribute, role,
							  ACL_SELECT) == ACLCHECK_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 attribute == 0 ?
			 errmsg("permission denied for table \"%s\"",
					get_rel_name(relation)) :
			 errmsg("permission denied for column \"%s\" of table \"%s\"",
					get_attname(relation, attribute, false),
					get_rel_name(relation)),
			 errdetail("Role \"%s\", who owns the expression, may not read it.",
					   GetUserNameFromId(role, false)),
			 parser_errposition(pstate, location)));
}

/* customer.field, journey.field */
static Node *
select_field(ParseState *pstate, Var *row, const char *variable,
			 const char *field, int location)
{
	TupleDesc	descriptor = lookup_rowtype_tupdesc(row->vartype, -1);
	int			index = find_attribute(descriptor, field);
	FieldSelect *select = makeNode(FieldSelect);
	Form_pg_attribute attribute;

	if (index < 0)
	{
		char	   *nearest = NULL;

		jo_expression_name_nearest(field, descriptor, &nearest);
		ReleaseTupleDesc(descriptor);
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s.%s\" does not exist", variable, field),
				 nearest ? errhint("Perhaps you meant \"%s.%s\".",
								   variable, nearest) : 0,
				 parser_errposition(pstate, location)));
	}

	attribute = TupleDescAttr(descriptor, index);
	select->arg = (Expr *) row;
	select->fieldnum = index + 1;
	select->resulttype = attribute->atttypid;
	select->resulttypmod = attribute->atttypmod;
	select->resultcollid = attribute->attcollation;
	ReleaseTupleDesc(descriptor);
	return (Node *) select;
}

/* The hidden column of a variable, as seen from "pstate". */
static Var *
variable_column(ParseState *pstate, JoResolver *resolver, int variable,
				int location)
{
	ParseState *top = pstate;
	int			levels_up = 0;
	ParseNamespaceItem *rows = resolver->rows;

	for (; top->parentParseState != NULL; top = top->parentParseState)
		levels_up++;
	if (rows == NULL)
		rows = (ParseNamespaceItem *) linitial(top->p_namespace);

	resolver->uses |= 1 << variable;
	return castNode(Var, scanNSItemForColumn(pstate, rows, levels_up,
											 variable_names[variable],
											 location));
}

/* Raise unless the variable may be used in this place. */
static void
ensure_allowed(ParseState *pstate, const JoScope *scope, int variable,
			   int location)
{
	StringInfoData allowed;

	if (variable == 0 && (scope->variables & JO_USES_CUSTOMER) &&
		!OidIsValid(scope->customer_type))
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_EXPRESSION),
				 errmsg("variable \"customer\" is not known: no table of customers is bound"),
				 errhint("Bind one with journey_orch.bind_customer()."),
				 parser_errposition(pstate, location)));
	if (scope->variables & (1 << variable))
		return;

	initStringInfo(&allowed);
	for (int i = 0; i < JO_VARIABLES; i++)
		if (scope->variables & (1 << i))
			appendStringInfo(&allowed, "%s%s", allowed.len > 0 ? ", " : "",
							 variable_names[i]);
	ereport(ERROR,
			(errcode(ERRCODE_JO_INVALID_EXPRESSION),
			 errmsg("variable \"%s\" cannot be used here",
					variable_names[variable]),
			 allowed.len > 0 ? errhint("Known here: %s.", allowed.data) : 0,
			 parser_errposition(pstate, location)));
}

/*
 * A name that is neither a column in scope nor a variable: when it is a column
 * of the customer, say how to write that; otherwise let PostgreSQL complain.
 */
static void
suggest_customer(ParseState *pstate, const JoScope *scope, const char *name,
				 int location)
{
	TupleDesc	descriptor;
	bool		is_column;

	if (!(scope->variables & JO_USES_CUSTOMER) ||
		!OidIsValid(scope->customer_type))
		return;
	descriptor = lookup_rowtype_tupdesc(scope->customer_type, -1);
	is_column = find_attribute(descriptor, name) >= 0;
	ReleaseTupleDesc(descriptor);
	if (is_column)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" does not exist", name),
				 errhint("Perhaps you meant \"customer.%s\".", name),
				 parser_errposition(pstate, location)));
}

/* A dot after something that has no columns, or whose columns need (). */
static void
refuse_column(ParseState *pstate, const char *value, bool is_jsonb,
			  const char *field, int location)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s.%s\" does not exist", value, field),
			 is_jsonb ? errhint("\"%s\" is jsonb: write %s->>'%s'.",
								value, value, field) :
			 errhint("For a field of a composite column write (%s).%s.",
					 value, field),
			 parser_errposition(pstate, location)));
}

/* PostParseColumnRefHook: the variable that "reference" names, or NULL. */
Node *
jo_expression_variable(ParseState *pstate, ColumnRef *reference, Node *found)
{
	JoResolver *resolver = (JoResolver *) pstate->p_ref_hook_state;
	int			location = reference->location;
	int			length = list_length(reference->fields);
	const char *name = strVal(linitial(reference->fields));
	const char *field;
	int			variable;
	Var		   *column;
	Node	   *result;

	if (found != NULL)
		return NULL;

	for (variable = 0; variable < JO_VARIABLES; variable++)
		if (strcmp(name, variable_names[variable]) == 0)
			break;
	if (variable == JO_VARIABLES)
	{
		if (length == 1)
			suggest_customer(pstate, &resolver->scope, name, location);
		return NULL;
	}

	ensure_allowed(pstate, &resolver->scope, variable, location);
	if (IsA(llast(reference->fields), A_Star))
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_EXPRESSION),
				 errmsg("\"%s\" is not one value",
						NameListToString(reference->fields)),
				 errhint("Write \"%s\" for the whole row.", name),
				 parser_errposition(pstate, location)));

	column = variable_column(pstate, resolver, variable, location);
	if (length == 1)
	{
		if (variable == 0)
			ensure_readable(pstate, column->vartype, 0, location);
		if (variable == MESSAGE)
			resolver->message_fields = ~(uint32) 0;
		return (Node *) column;
	}

	field = strVal(lsecond(reference->fields));
	if (column->vartype == JSONBOID)
		refuse_column(pstate, name, true, field, location);
	result = select_field(pstate, column, name, field, location);
	if (variable == 0)
		ensure_readable(pstate, column->vartype,
						castNode(FieldSelect, result)->fieldnum, location);
	if (variable == MESSAGE)
		resolver->message_fields |=
			(uint32) 1 << (castNode(FieldSelect, result)->fieldnum - 1);
	if (length > 2)
		refuse_column(pstate, psprintf("%s.%s", name, field),
					  exprType(result) == JSONBOID,
					  strVal(lthird(reference->fields)), location);
	return result;
}

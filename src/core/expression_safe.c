/*
 * core/expression_safe.c
 *	  Whether a planned expression can raise an error.
 *
 * One that cannot needs no subtransaction, which is worth a few microseconds a
 * row in capture.  The answer must never be wrong towards "cannot": in a
 * trigger the error would reach the user's statement.  So everything is
 * unsafe that is not known here: node types by the switch below, functions by
 * being built in and LEAKPROOF (PostgreSQL's promise that the arguments decide
 * about no error) or by the lists below, output functions by their type.
 *
 * Three errors are left out on purpose, because no expression is free of them:
 * lack of memory, a corrupted value, and a value near the 1 GB limit (256 MB
 * inside jsonb).  Whoever must survive the last one too looks at the size of
 * the row.
 */
#include "postgres.h"

#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "core/expression_private.h"

/* Composite types within composite types: deeper than this is unsafe. */
#define NESTING_LIMIT 4

/* Not leakproof, and yet unable to raise on valid arguments. */
static const Oid safe_functions[] = {
	F_NUMERIC_EQ, F_NUMERIC_NE, F_NUMERIC_LT, F_NUMERIC_LE, F_NUMERIC_GT,
	F_NUMERIC_GE,
	F_JSONB_OBJECT_FIELD, F_JSONB_OBJECT_FIELD_TEXT,
	F_JSONB_ARRAY_ELEMENT, F_JSONB_ARRAY_ELEMENT_TEXT,
	F_JSONB_EXTRACT_PATH, F_JSONB_EXTRACT_PATH_TEXT,
	F_JSONB_EXISTS, F_JSONB_EXISTS_ANY, F_JSONB_EXISTS_ALL,
	F_JSONB_EQ, F_JSONB_NE, F_JSONB_TYPEOF,
	F_TEXTCAT, F_LENGTH_TEXT, F_OCTET_LENGTH_TEXT,
	F_ENUM_EQ, F_ENUM_NE,
	F_NOW, F_TRANSACTION_TIMESTAMP, F_STATEMENT_TIMESTAMP
};

/* Need a deterministic collation, and LIKE a pattern that is known now. */
static const Oid matching_functions[] = {
	F_STARTS_WITH, F_LIKE_TEXT_TEXT, F_NOTLIKE_TEXT_TEXT,
	F_TEXTLIKE, F_TEXTNLIKE
};

/* Safe when the arguments' types have safe output. */
static const Oid printing_functions[] = {
	F_CONCAT, F_TO_JSONB, F_JSONB_BUILD_ARRAY_ANY, F_JSONB_BUILD_OBJECT_ANY
};

/* Types whose output function cannot raise. */
static const Oid printable_types[] = {
	BOOLOID, INT2OID, INT4OID, INT8OID, FLOAT4OID, FLOAT8OID, NUMERICOID,
	TEXTOID, VARCHAROID, BPCHAROID, NAMEOID, CHAROID, OIDOID, BYTEAOID,
	DATEOID, TIMEOID, TIMETZOID, TIMESTAMPOID, TIMESTAMPTZOID, INTERVALOID,
	UUIDOID, JSONBOID, INETOID, CIDROID, MACADDROID
};

/* Of these, the types whose order is simple comparison (GREATEST, LEAST). */
static const Oid ordered_types[] = {
	BOOLOID, INT2OID, INT4OID, INT8OID, FLOAT4OID, FLOAT8OID, NUMERICOID,
	TEXTOID, DATEOID, TIMEOID, TIMESTAMPOID, TIMESTAMPTZOID, INTERVALOID,
	UUIDOID
};

static bool may_raise(Node *node, void *unused);

#define IN_LIST(oid, list) in_list(oid, list, lengthof(list))

static bool
in_list(Oid oid, const Oid *list, int length)
{
	for (int i = 0; i < length; i++)
		if (list[i] == oid)
			return true;
	return false;
}

/* The type, and everything inside a composite, array or domain, prints. */
static bool
is_printable(Oid type, int depth)
{
	Oid			base = getBaseType(type);
	Oid			element = get_element_type(base);
	Oid			cast;
	TupleDesc	descriptor;
	bool		result = true;

	if (IN_LIST(base, printable_types))
		return true;
	if (depth >= NESTING_LIMIT)
		return false;
	if (OidIsValid(element))
		return is_printable(element, depth + 1);

	/* to_jsonb() would call an author's cast to json */
	if (find_coercion_pathway(JSONOID, base, COERCION_EXPLICIT, &cast) ==
		COERCION_PATH_FUNC)
		return false;
	if (type_is_enum(base))
		return true;
	if (get_typtype(base) != TYPTYPE_COMPOSITE)
		return false;

	descriptor = lookup_rowtype_tupdesc(base, -1);
	for (int i = 0; result && i < descriptor->natts; i++)
		if (!TupleDescAttr(descriptor, i)->attisdropped)
			result = is_printable(TupleDescAttr(descriptor, i)->atttypid,
								  depth + 1);
	ReleaseTupleDesc(descriptor);
	return result;
}

/* A LIKE pattern that is a constant and does not end in an escape. */
static bool
is_good_pattern(Node *node)
{
	Const	   *pattern = (Const *) node;
	char	   *string;
	int			backslashes = 0;

	if (!IsA(node, Const))
		return false;
	if (pattern->constisnull)
		return true;
	string = TextDatumGetCString(pattern->constvalue);
	for (int i = strlen(string) - 1; i >= 0 && string[i] == '\\'; i--)
		backslashes++;
	return backslashes % 2 == 0;
}

/*
 * jsonb_build_object() raises on an odd count, and on a key that is NULL or no
 * scalar.
 */
static bool
are_good_pairs(List *arguments)
{
	if (list_length(arguments) % 2 != 0)
		return false;
	for (int i = 0; i < list_length(arguments); i += 2)
	{
		Const	   *key = list_nth(arguments, i);

		if (!IsA(key, Const) || key->constisnull ||
			(key->consttype != TEXTOID && key->consttype != UNKNOWNOID))
			return false;
	}
	return true;
}

/* A collation that comparison needs is there: else it raises 42P22. */
static bool
has_collation(Oid collation, List *arguments)
{
	ListCell   *cell;

	if (OidIsValid(collation))
		return true;
	foreach(cell, arguments)
		if (type_is_collatable(exprType(lfirst(cell))))
		return false;
	return true;
}

/* The function raises for no arguments of these expressions. */
static bool
is_safe_function(Oid function, Oid collation, List *arguments)
{
	ListCell   *cell;

	/* an owner's own LEAKPROOF is his word, not PostgreSQL's */
	if (function >= FirstNormalObjectId || !has_collation(collation, arguments))
		return false;
	if (IN_LIST(function, matching_functions))
		return get_collation_isdeterministic(collation) &&
			(function == F_STARTS_WITH || is_good_pattern(lsecond(arguments)));
	if (get_func_leakproof(function) || IN_LIST(function, safe_functions))
		return true;
	if (!IN_LIST(function, printing_functions))
		return false;

	foreach(cell, arguments)
	{
		Node	   *argument = (Node *) lfirst(cell);

		/* a literal of no known type is text to these functions */
		if (exprType(argument) != UNKNOWNOID &&
			!is_printable(exprType(argument), 0))
			return false;
	}
	return function != F_JSONB_BUILD_OBJECT_ANY || are_good_pairs(arguments);
}

/* Expressions that call a function; true when they may raise. */
static bool
call_may_raise(Node *node)
{
	switch (nodeTag(node))
	{
		case T_FuncExpr:
			{
				FuncExpr   *call = (FuncExpr *) node;

				return call->funcretset ||
					(call->funcvariadic &&
					 IN_LIST(call->funcid, printing_functions)) ||
					!is_safe_function(call->funcid, call->inputcollid,
									  call->args);
			}
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			{
				/* the three are one struct */
				OpExpr	   *call = (OpExpr *) node;

				return !is_safe_function(call->opfuncid, call->inputcollid,
										 call->args);
			}
		case T_ScalarArrayOpExpr:
			{
				ScalarArrayOpExpr *call = (ScalarArrayOpExpr *) node;

				return !get_func_leakproof(call->opfuncid) ||
					!is_safe_function(call->opfuncid, call->inputcollid,
									  list_make1(linitial(call->args)));
			}
		case T_CoerceViaIO:
			{
				CoerceViaIO *cast = (CoerceViaIO *) node;

				return !is_printable(exprType((Node *) cast->arg), 0) ||
					(cast->resulttype != TEXTOID &&
					 cast->resulttype != VARCHAROID);
			}
		case T_MinMaxExpr:
			{
				MinMaxExpr *call = (MinMaxExpr *) node;

				return !IN_LIST(call->minmaxtype, ordered_types) ||
					!has_collation(call->inputcollid, call->args);
			}
		default:
			return true;
	}
}

static bool
may_raise(Node *node, void *unused)
{
	if (node == NULL)
		return false;

	switch (nodeTag(node))
	{
		case T_List:
		case T_Const:
		case T_Var:
		case T_RelabelType:
		case T_NullTest:
		case T_BooleanTest:
		case T_BoolExpr:
		case T_CaseExpr:
		case T_CaseWhen:
		case T_CaseTestExpr:
		case T_CoalesceExpr:
		case T_RowExpr:
		case T_SQLValueFunction:
			break;
		case T_ArrayExpr:
			if (((ArrayExpr *) node)->multidims)
				return true;
			break;
		case T_FieldSelect:
			/* of a variable: its shape is compared before the evaluation */
			if (!IsA(((FieldSelect *) node)->arg, Var))
				return true;
			break;
		case T_SubscriptingRef:
			{
				SubscriptingRef *fetch = (SubscriptingRef *) node;

				if (fetch->reflowerindexpr != NIL ||
					fetch->refassgnexpr != NULL ||
					(!OidIsValid(get_element_type(fetch->refcontainertype)) &&
					 fetch->refcontainertype != JSONBOID))
					return true;
				break;
			}
		default:
			if (call_may_raise(node))
				return true;
			break;
	}
	return expression_tree_walker(node, may_raise, unused);
}

/* True unless it is certain that "planned" (by expression_planner) cannot. */
bool
jo_expression_can_raise(Node *planned)
{
	return may_raise(planned, NULL);
}

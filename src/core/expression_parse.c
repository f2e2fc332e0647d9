/*
 * core/expression_parse.c
 *	  From an author's text to one analysed, typed expression.
 *
 * The grammar's entry point for PL/pgSQL expressions does the first half:
 * unlike "SELECT" plus text it cannot be led out of the expression by a
 * semicolon, a closing parenthesis or a comment.  It accepts a whole SELECT
 * without the word, though, so what is more than one expression is refused
 * here.  Positions are characters of the author's text throughout.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_coerce.h"
#include "parser/parse_collate.h"
#include "parser/parse_expr.h"
#include "parser/parse_relation.h"
#include "parser/parser.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/queryenvironment.h"

#include "core/errors.h"
#include "core/expression_private.h"

static void
refuse_clause(ParseState *pstate, const char *clause, int location)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_INVALID_EXPRESSION),
			 errmsg("clause %s is not part of an expression", clause),
			 errhint("To query a table, put a whole SELECT in parentheses."),
			 parser_errposition(pstate, location)));
}

static void
refuse_clauses(ParseState *pstate, SelectStmt *stmt)
{
	if (stmt->distinctClause != NIL)
		refuse_clause(pstate, "DISTINCT", -1);
	if (stmt->fromClause != NIL)
		refuse_clause(pstate, "FROM", exprLocation(linitial(stmt->fromClause)));
	if (stmt->whereClause != NULL)
		refuse_clause(pstate, "WHERE", exprLocation(stmt->whereClause));
	if (stmt->groupClause != NIL)
		refuse_clause(pstate, "GROUP BY",
					  exprLocation(linitial(stmt->groupClause)));
	if (stmt->havingClause != NULL)
		refuse_clause(pstate, "HAVING", exprLocation(stmt->havingClause));
	if (stmt->windowClause != NIL)
		refuse_clause(pstate, "WINDOW", -1);
	if (stmt->sortClause != NIL)
		refuse_clause(pstate, "ORDER BY",
					  exprLocation(linitial(stmt->sortClause)));
	if (stmt->limitCount != NULL || stmt->limitOffset != NULL)
		refuse_clause(pstate, "LIMIT", exprLocation(stmt->limitCount ?
													stmt->limitCount :
													stmt->limitOffset));
	if (stmt->lockingClause != NIL)
		refuse_clause(pstate, "FOR UPDATE", -1);
}

/* The raw tree of the one expression that p_sourcetext is. */
static Node *
parse_one(ParseState *pstate)
{
	const char *sql = pstate->p_sourcetext;
	List	   *statements;
	SelectStmt *stmt;
	ResTarget  *target;

	if (strlen(sql) > JO_EXPRESSION_LENGTH_LIMIT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("the expression is too long"),
				 errdetail("It has %zu bytes; the limit is %d.",
						   strlen(sql), JO_EXPRESSION_LENGTH_LIMIT)));

	statements = raw_parser(sql, RAW_PARSE_PLPGSQL_EXPR);
	stmt = castNode(SelectStmt, linitial_node(RawStmt, statements)->stmt);

	refuse_clauses(pstate, stmt);
	if (stmt->targetList == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_EXPRESSION),
				 errmsg("the expression is empty")));
	if (list_length(stmt->targetList) > 1)
	{
		target = lsecond_node(ResTarget, stmt->targetList);
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_EXPRESSION),
				 errmsg("more than one expression"),
				 errhint("To make a list of them, use jsonb_build_array(), jsonb_build_object() or ARRAY[]."),
				 parser_errposition(pstate, target->location)));
	}
	target = linitial_node(ResTarget, stmt->targetList);
	if (target->name != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_EXPRESSION),
				 errmsg("an expression has no column alias, but \"%s\" follows it",
						target->name),
				 parser_errposition(pstate, target->location)));
	if (IsA(target->val, ColumnRef))
	{
		ColumnRef  *reference = (ColumnRef *) target->val;

		if (IsA(llast(reference->fields), A_Star))
			ereport(ERROR,
					(errcode(ERRCODE_JO_INVALID_EXPRESSION),
					 errmsg("\"%s\" is not one value",
							NameListToString(reference->fields)),
					 errhint("Name one column, or the whole row without \".*\"."),
					 parser_errposition(pstate, reference->location)));
	}
	return target->val;
}

void
jo_expression_ensure_one(const char *sql)
{
	ParseState *pstate = make_parsestate(NULL);

	pstate->p_sourcetext = sql;
	(void) parse_one(pstate);
	free_parsestate(pstate);
}

/* Settle the type of an expression that may have any. */
static Node *
settle_type(ParseState *pstate, Node *expression)
{
	Oid			type = exprType(expression);

	if (type == UNKNOWNOID)
		return coerce_type(pstate, expression, type, TEXTOID, -1,
						   COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
	if (get_typtype(type) == TYPTYPE_PSEUDO &&
		type != RECORDOID && type != RECORDARRAYOID)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the expression has no value: its type is %s",
						format_type_be(type)),
				 parser_errposition(pstate, exprLocation(expression))));
	return expression;
}

/* A call's function may return nothing. */
static bool
is_allowed_void(ParseState *pstate, Oid type)
{
	return type == VOIDOID &&
		pstate->p_post_columnref_hook == jo_expression_variable &&
		((JoResolver *) pstate->p_ref_hook_state)->scope.may_write;
}

/* Coerce to what the caller wants, or settle the type when he takes any. */
static Node *
coerce_result(ParseState *pstate, Node *expression, Oid result_type)
{
	Oid			type = exprType(expression);
	int			location = exprLocation(expression);
	Node	   *result;

	if (!OidIsValid(result_type))
		return settle_type(pstate, expression);
	if (result_type == JO_ANY_AS_JSONB)
	{
		if (type == JSONBOID)
			return expression;
		if (is_allowed_void(pstate, type))
			((JoResolver *) pstate->p_ref_hook_state)->is_void = true;
		else
			expression = settle_type(pstate, expression);
		return (Node *) makeFuncExpr(F_TO_JSONB, JSONBOID,
									 list_make1(expression), InvalidOid,
									 InvalidOid, COERCE_EXPLICIT_CALL);
	}

	result = coerce_to_target_type(pstate, expression, type, result_type, -1,
								   COERCION_ASSIGNMENT, COERCE_IMPLICIT_CAST,
								   -1);
	if (result == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("the expression is of type %s, but %s is expected",
						format_type_be(type), format_type_be(result_type)),
				 errhint("Add a cast, or a comparison."),
				 parser_errposition(pstate, location)));
	return result;
}

/*
 * Make the variables of "resolver" known to "pstate": one range-table entry
 * that no name can reach, and the column hook that can.
 */
void
jo_expression_resolve(ParseState *pstate, JoResolver *resolver,
					  TupleDesc rows_descriptor)
{
	EphemeralNamedRelation relation;

	relation = palloc0(sizeof(EphemeralNamedRelationData));
	relation->md.name = JO_ROWS_NAME;
	relation->md.tupdesc = rows_descriptor;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	pstate->p_queryEnv = create_queryEnv();
	register_ENR(pstate->p_queryEnv, relation);
	resolver->rows = addRangeTableEntryForENR(pstate,
											  makeRangeVar(NULL, JO_ROWS_NAME, -1),
											  true);
	/* an author's FROM _jo_rows must not find it */
	pstate->p_queryEnv = NULL;

	pstate->p_post_columnref_hook = jo_expression_variable;
	pstate->p_ref_hook_state = resolver;
}

/*
 * An error with a position is one of the author's text, and not of whatever
 * statement or function called us: say so before an outer callback claims it.
 */
static void
place_error(void *argument)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery((const char *) argument);
	}
}

/*
 * Analyse p_sourcetext in the scope that "pstate" was given: one expression of
 * "result_type", collations assigned, rules checked.  Raises.
 */
Node *
jo_expression_analyse(ParseState *pstate, Oid result_type, bool is_row)
{
	ErrorContextCallback callback;
	Node	   *expression;

	callback.callback = place_error;
	callback.arg = unconstify(char *, pstate->p_sourcetext);
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	/*
	 * EXPR_KIND_OTHER lets aggregates, window functions and sets through, and
	 * the rules refuse them with a message that names no SQL clause.
	 */
	expression = transformExpr(pstate, parse_one(pstate), EXPR_KIND_OTHER);
	jo_expression_check(pstate, expression, is_row);
	expression = coerce_result(pstate, expression, result_type);
	assign_expr_collations(pstate, expression);

	/* again: the coercion may have brought a function of its own */
	jo_expression_check(pstate, expression, is_row);

	error_context_stack = callback.previous;
	return expression;
}

/*
 * core/expression_rules.c
 *	  What an expression may not contain, sub-selects included.
 *
 * A run must give the same result when its batch is redone, so an engine
 * expression has no clock, no dice and no side effect.  The analysed tree
 * is looked at, not the text: operators, casts and default arguments count as
 * the functions they are.  Functions and views are taken at their word: what
 * is marked STABLE may still read a clock inside, and is stopped only from
 * writing (XactReadOnly).
 *
 * The expression of a call step is evaluated exactly once and may do anything
 * that its owner may.  Row expressions are evaluated once, in the statement that changed the row:
 * there now() and other stable functions are allowed, volatile ones are not.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_node.h"
#include "rewrite/rewriteManip.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"

#include "core/errors.h"
#include "core/expression_private.h"

typedef struct RuleContext
{
	ParseState *pstate;
	bool		is_row;
	bool		may_write;
	bool		checks_rights;
	int			depth;			/* 0: outside every sub-select */
	Node	   *node;			/* whose functions are being looked at */
} RuleContext;

/* Functions of pg_catalog that are not volatile and yet are clocks. */
static const Oid clocks[] = {
	F_NOW, F_TRANSACTION_TIMESTAMP, F_STATEMENT_TIMESTAMP,
	F_AGE_TIMESTAMP, F_AGE_TIMESTAMPTZ, F_AGE_XID, F_MXID_AGE,
	F_TXID_CURRENT, F_TXID_CURRENT_IF_ASSIGNED, F_TXID_CURRENT_SNAPSHOT,
	F_PG_CURRENT_XACT_ID, F_PG_CURRENT_XACT_ID_IF_ASSIGNED,
	F_PG_CURRENT_SNAPSHOT, F_PG_BACKEND_PID,
	F_PG_POSTMASTER_START_TIME, F_PG_CONF_LOAD_TIME
};

static void
refuse_clock(RuleContext *context, const char *name, int location)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_INVALID_EXPRESSION),
			 errmsg("\"%s\" cannot be used in an expression", name),
			 errdetail("A run must give the same result when it is repeated."),
			 errhint("The clock of an expression is journey.now."),
			 parser_errposition(context->pstate, location)));
}

static void
refuse(RuleContext *context, const char *what, const char *hint, int location)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_INVALID_EXPRESSION),
			 errmsg("%s cannot be used in an expression", what),
			 hint ? errhint("%s", hint) : 0,
			 parser_errposition(context->pstate, location)));
}

/* check_functions_in_node callback; raises, so it never returns true. */
static bool
check_function(Oid function, void *argument)
{
	RuleContext *context = (RuleContext *) argument;
	int			location = exprLocation(context->node);

	if (!context->is_row && !context->may_write)
		for (int i = 0; i < lengthof(clocks); i++)
			if (function == clocks[i])
				refuse_clock(context, format_procedure(function), location);

	if (context->checks_rights)
	{
		AclResult	result = pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE);

		if (result != ACLCHECK_OK)
			aclcheck_error(result, OBJECT_FUNCTION, format_procedure(function));
	}

	if (isAnyTempNamespace(get_func_namespace(function)))
		refuse(context,
			   psprintf("temporary function \"%s\"", format_procedure(function)),
			   "Other sessions cannot see it.", location);

	if (!context->may_write &&
		func_volatile(function) == PROVOLATILE_VOLATILE)
	{
		bool		is_built_in = function < FirstNormalObjectId;

		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_EXPRESSION),
				 errmsg("volatile function \"%s\" cannot be used in an expression",
						format_procedure(function)),
				 errdetail("An expression only reads, and gives the same result when it is repeated."),
				 is_built_in ? 0 :
				 errhint("If it only reads, declare it so: ALTER FUNCTION ... STABLE."),
				 parser_errposition(context->pstate, location)));
	}

	if (context->depth == 0 && get_func_retset(function))
		refuse(context,
			   psprintf("set-returning function \"%s\"",
						format_procedure(function)),
			   "Put it in the FROM of a sub-select.", location);
	return false;
}

static const char *
clock_name(SQLValueFunctionOp op)
{
	switch (op)
	{
		case SVFOP_CURRENT_DATE:
			return "current_date";
		case SVFOP_CURRENT_TIME:
		case SVFOP_CURRENT_TIME_N:
			return "current_time";
		case SVFOP_CURRENT_TIMESTAMP:
		case SVFOP_CURRENT_TIMESTAMP_N:
			return "current_timestamp";
		case SVFOP_LOCALTIME:
		case SVFOP_LOCALTIME_N:
			return "localtime";
		case SVFOP_LOCALTIMESTAMP:
		case SVFOP_LOCALTIMESTAMP_N:
			return "localtimestamp";
		default:
			return NULL;
	}
}

/*
 * 'now', 'today', 'tomorrow' and 'yesterday' as a literal of a date or time
 * type: the analysis has replaced it by the moment of publishing.  Only the
 * text still shows it.
 */
static void
check_literal(RuleContext *context, Const *literal)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday"};
	const char *text = context->pstate->p_sourcetext;

	switch (literal->consttype)
	{
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			break;
		default:
			return;
	}
	if (literal->location < 0 || literal->location >= strlen(text))
		return;

	text	  +=literal->location;
	text = *text == '$' ? strchr(text +1, '$') : strchr(text, '\'');

	if (text == NULL)
		return;
	text	  +=1 + strspn(text +1, " \t\r\n");

	for (int i = 0; i < lengthof(words); i++)
	{
		int			length = strlen(words[i]);

		if (pg_strncasecmp(text, words[i], length) == 0 &&
			!isalpha((unsigned char) text[length]))
			refuse_clock(context, psprintf("'%s'", words[i]),
						 literal->location);
	}
}

static void
check_table(RuleContext *context, RangeTblEntry *table)
{
	if (table->rtekind == RTE_RELATION &&
		get_rel_persistence(table->relid) == RELPERSISTENCE_TEMP)
		refuse(context,
			   psprintf("temporary table \"%s\"", get_rel_name(table->relid)),
			   "Other sessions cannot see it.", -1);
	if (context->checks_rights && table->rtekind == RTE_RELATION)
		(void) ExecCheckRTPerms(list_make1(table), true);
	if (table->tablesample != NULL)
		refuse(context, "TABLESAMPLE", NULL, -1);
}

static bool
check_node(Node *node, void *argument)
{
	RuleContext *context = (RuleContext *) argument;
	bool		found;

	if (node == NULL)
		return false;

	switch (nodeTag(node))
	{
		case T_Query:
			{
				Query	   *query = (Query *) node;

				if (query->commandType != CMD_SELECT)
					refuse(context, "a statement that changes rows", NULL, -1);
				if (query->rowMarks != NIL)
					refuse(context, "a locking clause (FOR UPDATE, FOR SHARE)",
						   NULL, -1);
				context->depth++;
				found = query_tree_walker(query, check_node, context,
										  QTW_EXAMINE_RTES_BEFORE);
				context->depth--;
				return found;
			}
		case T_RangeTblEntry:
			check_table(context, (RangeTblEntry *) node);
			return false;
		case T_SubLink:
			if (context->is_row)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("a sub-select cannot be used in an expression over NEW and OLD"),
						 errhint("Capture the event, and ask the question in a \"branch\" step or in the entry's \"when\"."),
						 parser_errposition(context->pstate,
											((SubLink *) node)->location)));
			break;
		case T_Var:
			if (context->is_row && ((Var *) node)->varattno < 0)
				refuse(context, "a system column", NULL,
					   ((Var *) node)->location);
			break;
		case T_Const:
			if (!context->is_row && !context->may_write)
				check_literal(context, (Const *) node);
			break;
		case T_SQLValueFunction:
			{
				SQLValueFunction *function = (SQLValueFunction *) node;
				const char *name = clock_name(function->op);

				if (name != NULL && !context->is_row && !context->may_write)
					refuse_clock(context, name, function->location);
				break;
			}
		default:
			break;
	}

	context->node = node;
	(void) check_functions_in_node(node, check_function, context);
	return expression_tree_walker(node, check_node, context);
}

/* Raise the first thing in "expression" that is against the rules. */
void
jo_expression_check(ParseState *pstate, Node *expression, bool is_row)
{
	RuleContext context = {0};

	context.pstate = pstate;
	context.is_row = is_row;
	if (!is_row)
	{
		const JoScope *scope =
		&((JoResolver *) pstate->p_ref_hook_state)->scope;

		context.checks_rights = scope->checks_rights;
		context.may_write = scope->may_write;
	}

	if (pstate->p_hasAggs)
		refuse(&context, "an aggregate outside a sub-select",
			   "An aggregate over variables alone belongs to no sub-select.",
			   locate_agg_of_level(expression, 0));
	if (pstate->p_hasWindowFuncs)
		refuse(&context, "a window function outside a sub-select", NULL,
			   locate_windowfunc(expression));
	(void) check_node(expression, &context);
}

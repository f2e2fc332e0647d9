/*
 * core/expression_private.h
 *	  What the files of expression_*.c share; nobody else includes this.
 *
 *	expression.c			compile and evaluate engine expressions
 *	expression_parse.c		text to one analysed, typed expression
 *	expression_scope.c		the variables, as the parser's column hook sees them
 *	expression_rules.c		what the analysed tree may not contain
 *	expression_safe.c		whether a planned tree can raise
 *	expression_group.c		the set form of expressions with sub-selects
 *	expression_call.c		expressions that may write
 *	expression_row.c		expressions over NEW and OLD
 *	expression_columns.c	which columns of the customer an expression reads
 *	expression_keys.c		which members of the context it names
 *	expression_sandbox.c	the read-only subtransaction, and its errors
 */
#ifndef JO_EXPRESSION_PRIVATE_H
#define JO_EXPRESSION_PRIVATE_H

#include "executor/spi.h"
#include "nodes/execnodes.h"
#include "parser/parse_node.h"
#include "utils/resowner.h"

#include "core/expression.h"
#include "core/run_as.h"

/* Longest text of an expression, in bytes. */
#define JO_EXPRESSION_LENGTH_LIMIT (64 * 1024)

/* Rows of one execution of the set form. */
#define JO_EXPRESSION_CHUNK 1000

/*
 * The variables are the columns of one range-table entry, number 1, that no
 * name of the author's can reach: column 1 is the row's number in the group,
 * column 2 + i is variable i (bit i of JO_USES_*).
 */
#define JO_ROWS_NAME "_jo_rows"
#define JO_VARIABLES 5
#define JO_ROWS_COLUMNS (1 + JO_VARIABLES)

/*
 * How the column hook finds the variables.  In the analysis of a text alone
 * "rows" is the entry; in the set form it is NULL and the entry is the only
 * FROM item of the outermost query.
 */
typedef struct JoResolver
{
	JoScope		scope;
	ParseNamespaceItem *rows;
	int			uses;			/* JO_USES_* met so far */
	uint32		message_fields; /* attributes of "message" met so far */
	bool		is_void;		/* the expression is of type void */
} JoResolver;

struct JoExpression
{
	char	   *sql;
	Oid			wanted_type;	/* as given to compile */
	Oid			owner;
	JoScope		scope;
	MemoryContext parent;		/* where this struct and "context" live */

	/* everything below is made by one compilation and lives in "context" */
	MemoryContext context;
	uint64		customer_shape; /* of the customer type it was compiled for */
	int			uses;
	uint32		message_fields;
	List	   *context_keys;	/* char * */
	Oid			type;
	int16		type_length;
	bool		type_by_value;
	bool		is_plain;
	bool		needs_sandbox;	/* it may raise, or depends on settings */
	TupleDesc	rows_descriptor;
	JoResolver	resolver;		/* of the set form; used at every replanning */

	ExprState  *state;			/* plain form */
	ExprContext *econtext;
	TupleTableSlot *slot;

	SPIPlanPtr	plan;			/* set form; freed with "context" */
	char	   *statement;		/* its text */
};

/* expression_parse.c */
extern void jo_expression_resolve(ParseState *pstate, JoResolver *resolver,
								  TupleDesc rows_descriptor);
extern Node *jo_expression_analyse(ParseState *pstate, Oid result_type,
								   bool is_row);

/* expression_scope.c */
extern TupleDesc jo_expression_rows_descriptor(const JoScope *scope);
extern Node *jo_expression_variable(ParseState *pstate, ColumnRef *reference,
									Node *found);
extern void jo_expression_name_nearest(const char *wanted, TupleDesc descriptor,
									   char **nearest);

/* expression_rules.c */
extern void jo_expression_check(ParseState *pstate, Node *expression,
								bool is_row);

/* expression_keys.c */
extern List *jo_expression_find_keys(Node *tree);

/* expression_safe.c */
extern bool jo_expression_can_raise(Node *planned);

/* expression_group.c */
extern void jo_expression_prepare_group(JoExpression *expression);
extern void jo_expression_execute_group(JoExpression *expression,
										const JoVariables *const *rows,
										volatile int *next, int end,
										MemoryContext result_context,
										Datum *values, bool *isnull);
extern void jo_expression_place_group_error(const JoExpression *expression,
											ErrorData *edata);

/* expression.c */
extern void jo_expression_execute(JoExpression *expression,
								  const JoVariables *const *rows,
								  volatile int *next, int end,
								  MemoryContext result_context,
								  MemoryContext row_context,
								  Datum *values, bool *isnull);
extern bool jo_expression_refuse(JoExpression *expression, int n, bool *isnull,
								 JoError **errors);
extern ExprContext *jo_expression_context(MemoryContext context);
extern Datum jo_expression_copy(Datum value, bool by_value, int16 length);

/* expression_sandbox.c */

/*
 * A read-only look at the database as somebody: an internal subtransaction
 * that is rolled back however it ends, so that nothing an author's function
 * did survives.
 *
 *	jo_sandbox_begin(&sandbox);
 *	PG_TRY();
 *	{
 *		jo_sandbox_enter(&sandbox, owner);
 *		...
 *		jo_sandbox_leave(&sandbox);
 *	}
 *	PG_CATCH();
 *	{
 *		edata = jo_sandbox_failed(&sandbox);
 *	}
 *	PG_END_TRY();
 *
 * After either branch the memory context and resource owner of begin are back.
 */
typedef struct JoSandbox
{
	MemoryContext context;
	ResourceOwner owner;
	JoRunAs		run_as;
} JoSandbox;

extern void jo_sandbox_begin(JoSandbox *sandbox);
extern void jo_sandbox_enter(JoSandbox *sandbox, Oid owner);
extern void jo_sandbox_leave(JoSandbox *sandbox);
extern ErrorData *jo_sandbox_failed(JoSandbox *sandbox);

extern JoError *jo_error_copy(const ErrorData *edata, const char *sql);

#endif							/* JO_EXPRESSION_PRIVATE_H */

/*
 * core/expression.h
 *	  One SQL expression written by an author: parsed as one expression,
 *	  type-checked, and evaluated as its owner, read-only.
 *
 * Two forms share the parser and the rules.
 *
 * An engine expression sees the variables customer (a row of the bound table
 * or view), event, context (jsonb), journey (type
 * journey_orch.journey_variable) and, in templates, message (type
 * journey_orch.message_variable).  Columns of an inner sub-select win over
 * the variables, as SQL scoping has it.  It is compiled to a tree over the
 * columns of one hidden row.  Without a sub-select or a set-returning call it is
 * "plain" and evaluated by ExecEvalExpr without SPI; with a sub-select a
 * whole group of rows is one statement over unnest() of arrays.
 *
 * A row expression sees NEW and OLD of one relation and nothing else, and is
 * evaluated on tuple slots.
 *
 * Names resolve in search_path "pg_catalog, pg_temp": everything else must be
 * qualified.  Refused with a finding and its position: more than one
 * expression, a statement, parameters, aggregates, window functions and
 * set-returning functions at the top, and the clocks and dice (now(),
 * current_*, localtime*, clock_timestamp(), statement_timestamp(),
 * transaction_timestamp(), timeofday(), random(), gen_random_uuid(),
 * nextval() and friends), because a run must give the same result when it is
 * redone; journey.now is the only clock.  Volatile functions are refused
 * wherever they come from; TABLESAMPLE, FOR UPDATE and temporary objects too.
 * A row expression may use stable functions, now() included: it is evaluated
 * once.  It may not contain a sub-select.
 *
 * Settings that change a meaning (TimeZone UTC, DateStyle ISO, and others, see
 * jo_expression_pin_settings()) are the same in every session.
 */
#ifndef JO_EXPRESSION_H
#define JO_EXPRESSION_H

#include "catalog/pg_type_d.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "utils/rel.h"

/* Which variables an expression reads, as a bit set. */
#define JO_USES_CUSTOMER	(1 << 0)
#define JO_USES_EVENT		(1 << 1)
#define JO_USES_CONTEXT		(1 << 2)
#define JO_USES_JOURNEY		(1 << 3)
#define JO_USES_MESSAGE		(1 << 4)

/* What an engine expression may see. */
typedef struct JoScope
{
	Oid			customer_type;	/* composite type; InvalidOid: no binding, and
								 * "customer" is an error */
	int			variables;		/* JO_USES_* that are allowed here */
	bool		checks_rights;	/* also refuse what the owner may not read or
								 * execute: for authors.  An evaluation always
								 * does, but a cached refusal would outlive
								 * the GRANT that cures it */
	bool		may_write;		/* volatile functions are allowed: only for
								 * jo_expression_call() */
} JoScope;

typedef struct JoExpression JoExpression;

/* An error of one author's text, or of one row. All strings palloc'd. */
typedef struct JoError
{
	char		sqlstate[6];
	char	   *message;
	char	   *detail;			/* or NULL */
	char	   *hint;			/* or NULL */
	int			position;		/* 1-based character in the expression; 0 =
								 * none */
} JoError;

/*
 * For "result_type": any value, as jsonb.  to_jsonb() calls an author's cast to
 * json, so it is part of the expression and runs as its owner.
 */
#define JO_ANY_AS_JSONB ANYOID

/*
 * Compile "sql" to a value of "result_type" (assignment coercion; InvalidOid:
 * any type that has values).  Lives in CurrentMemoryContext, in child contexts
 * of it; reset or delete it to free the expression.  On failure: when "error" is NULL
 * raises (with the error position), else fills it (in CurrentMemoryContext)
 * and returns NULL.  Runs the analysis as "owner" in a subtransaction.
 */
extern JoExpression *jo_expression_compile(const char *sql, Oid result_type,
										   Oid owner, const JoScope *scope,
										   JoError **error);

/*
 * Raise, with the position, unless the text is one expression: it cannot lead
 * out of parentheses around it.  What it names is not looked at.
 */
extern void jo_expression_ensure_one(const char *sql);

extern int	jo_expression_uses(const JoExpression *expression);
extern Oid	jo_expression_type(const JoExpression *expression);
extern bool jo_expression_is_plain(const JoExpression *expression);
extern const char *jo_expression_sql(const JoExpression *expression);

/* Attributes of "message" that it reads, bit n - 1 for number n; the whole row
 * reads all. */
extern uint32 jo_expression_message_fields(const JoExpression *expression);

/* Members of "context" that it names (char *), as far as they are written out;
 * the list is the expression's. */
extern List *jo_expression_context_keys(const JoExpression *expression);

/*
 * Is the value a matter of the customer's row alone, so that it can only change
 * when one of these columns does?  False for a sub-select, or a function of the
 * author's that is not immutable and may read what it likes.  *columns are
 * attribute numbers, the whole row all of them; *is_strict: the value is NULL
 * where they all are.  In CurrentMemoryContext.
 */
extern bool jo_expression_customer_columns(const JoExpression *expression,
										   Bitmapset **columns,
										   bool *is_strict);

/* The variables of one row. A Datum that the expression does not use may be
 * anything. */
typedef struct JoVariables
{
	Datum		customer;		/* composite */
	Datum		event;			/* jsonb */
	Datum		context;		/* jsonb */
	Datum		journey;		/* journey_orch.journey_variable */
	Datum		message;		/* journey_orch.message_variable */
	bool		customer_isnull;
	bool		event_isnull;
	bool		context_isnull;
	bool		journey_isnull;
	bool		message_isnull;
} JoVariables;

/*
 * Evaluate for rows[0 .. n-1].  values[i] are copied into
 * CurrentMemoryContext.  The group runs in one internal subtransaction,
 * read-only, as the owner, which is rolled back whatever happens, and sees the
 * active snapshot plus the transaction's own writes; when a row raises,
 * errors[i] is set and the group goes on after it (NULL for the rows that
 * succeed).  Interrupts (jo_error_is_interrupt()) are raised.  When the columns
 * of the customer changed since, the expression is compiled again; if that
 * fails every row has the error.
 */
extern void jo_expression_evaluate(JoExpression *expression, int n,
								   const JoVariables *const *rows,
								   Datum *values, bool *isnull,
								   JoError **errors);

/* How jo_expression_call() is to call; "arg" goes to the functions. */
typedef struct JoCallOptions
{
	void		(*before) (int row, void *arg); /* each row, or NULL; again
												 * when a row is done again */
	int			(*lock_timeout) (void *arg);	/* ms, of a subtransaction */
	void	   *arg;
} JoCallOptions;

/*
 * Evaluate an expression whose scope may write, for rows[0 .. n-1] in this
 * order, with the owner's rights, and keep what it writes.  values[i] are
 * copied into CurrentMemoryContext; where a row raises, errors[i] is set and
 * nothing is left of what it wrote.  Each row sees what earlier ones wrote.
 * Waits for a lock no longer than the options say (55P03).  A value of type
 * void is NULL.  Interrupts are raised.
 */
extern void jo_expression_call(JoExpression *expression, int n,
							   const JoVariables *const *rows,
							   const JoCallOptions *options,
							   Datum *values, bool *isnull, JoError **errors);

/* ---- row expressions: NEW and OLD of a relation ---- */

typedef struct JoRowExpression JoRowExpression;

/* Which sides a row expression reads, as a bit set. */
#define JO_USES_OLD			(1 << 0)
#define JO_USES_NEW			(1 << 1)

/*
 * As jo_expression_compile(), over the row type of "relation".  Both OLD and
 * NEW may be named; the one not present in an operation reads as a row of
 * NULLs at evaluation.  Lives in CurrentMemoryContext.
 */
extern JoRowExpression *jo_row_expression_compile(const char *sql,
												  Relation relation,
												  Oid result_type, Oid owner,
												  JoError **error);

extern int	jo_row_expression_uses(const JoRowExpression *expression);
extern Oid	jo_row_expression_type(const JoRowExpression *expression);

/*
 * True when no function or cast in it can raise (comparison, boolean and NULL
 * tests, column access, concatenation, jsonb construction, string output of
 * common types): it may run without a subtransaction.  Errors of size are left
 * out (a value near 1 GB, 256 MB inside jsonb).
 */
extern bool jo_row_expression_cannot_raise(const JoRowExpression *expression);

/*
 * True when a value may depend on settings (output of timestamptz, now()):
 * pin them (jo_expression_pin_settings) also where no subtransaction is needed.
 */
extern bool jo_row_expression_needs_settings(const JoRowExpression *expression);

/*
 * Evaluate on slots (either may be NULL) in CurrentMemoryContext, whose caller
 * resets it per row.  The caller has switched to the owner
 * (jo_run_as_owner) and, where the expression can raise, opened a
 * subtransaction.
 */
extern Datum jo_row_expression_value(JoRowExpression *expression,
									 TupleTableSlot *old_slot,
									 TupleTableSlot *new_slot,
									 bool *isnull);

/*
 * Give the settings that change what an expression means (TimeZone, DateStyle,
 * and others) their fixed values, until jo_run_as_end().  Call it after
 * jo_run_as_owner() and before evaluating row expressions.
 */
extern void jo_expression_pin_settings(void);

/* ---- errors ---- */

/*
 * True for what must never become a row's error: cancel (statement_timeout
 * too), shutdown, out of memory, when it was the server that raised it.  Ask
 * before FlushErrorState(), which may free what tells where that was.
 */
extern bool jo_error_is_interrupt(const ErrorData *edata);

/*
 * True when the error's text was handed in from outside of the C code that
 * raised it: RAISE, a procedural language or a foreign server repeating what
 * it was told.  Its SQLSTATE is then somebody's choice, and no fact.  Ask
 * before FlushErrorState().
 */
extern bool jo_error_is_quoted(const ErrorData *edata);

/* Copy of the current error as a JoError in CurrentMemoryContext (call it in a
 * PG_CATCH block after switching context; flushes the error state). */
extern JoError *jo_error_capture(void);

#endif							/* JO_EXPRESSION_H */

/*
 * core/errors.h
 *	  The SQLSTATEs of journey_orch's own class JO, in one table.
 *
 * Standard SQLSTATEs come first: a missing journey is 42704, a wrong argument
 * 22023, a missing privilege 42501, an unbuilt feature 0A000, a call outside
 * READ COMMITTED 25001.  A code of our own exists only where a caller needs to
 * tell the condition apart from everything PostgreSQL itself can raise.  The
 * same table, with hints, stands in docs/errors.md (test/lint compares them).
 */
#ifndef JO_ERRORS_H
#define JO_ERRORS_H

/* a definition has findings of severity error */
#define ERRCODE_JO_INVALID_DEFINITION	MAKE_SQLSTATE('J','O','0','0','1')
/* an expression does not parse, does not type-check, or is not allowed */
#define ERRCODE_JO_INVALID_EXPRESSION	MAKE_SQLSTATE('J','O','0','0','2')
/* COMMIT or PREPARE after run_here() */
#define ERRCODE_JO_TRIAL_COMMIT			MAKE_SQLSTATE('J','O','0','0','3')
/* an idempotency key was used before with another body */
#define ERRCODE_JO_IDEMPOTENCY_CONFLICT	MAKE_SQLSTATE('J','O','0','0','4')
/* a claim is unknown, or its lease ran out and others may hold its messages */
#define ERRCODE_JO_STALE_CLAIM			MAKE_SQLSTATE('J','O','0','0','5')
/* this database is a copy that nobody adopted yet */
#define ERRCODE_JO_UNADOPTED_COPY		MAKE_SQLSTATE('J','O','0','0','6')
/* a template cannot be rendered for this customer */
#define ERRCODE_JO_RENDER_FAILED		MAKE_SQLSTATE('J','O','0','0','7')
/* the workers cannot be started, or did not answer in time */
#define ERRCODE_JO_WORKER_UNAVAILABLE	MAKE_SQLSTATE('J','O','0','0','8')
/* a token is not one of this database, or its time is over */
#define ERRCODE_JO_INVALID_TOKEN		MAKE_SQLSTATE('J','O','0','0','9')

/* The value, shortened for an error message, in CurrentMemoryContext. */
extern char *jo_clipped(const char *value);

#endif							/* JO_ERRORS_H */

/*
 * journey/finding.h
 *	  What is wrong with a definition: findings, their codes and their places.
 *
 * A code is stable: authors' tools match on it.  The table in finding.c is the
 * only list of codes; docs/errors.md shows it and sql/journey_findings.sql
 * holds a definition for each.
 */
#ifndef JO_FINDING_H
#define JO_FINDING_H

#include "nodes/pg_list.h"

typedef enum JoSeverity
{
	JO_ERROR,					/* define() refuses */
	JO_WARNING,
	JO_INFO
} JoSeverity;

typedef enum JoFindingCode
{
	/* structure: what schema.json refuses */
	JO_FINDING_WRONG_TYPE,
	JO_FINDING_WRONG_VALUE,
	JO_FINDING_BAD_NAME,
	JO_FINDING_WRONG_LENGTH,
	JO_FINDING_WRONG_COUNT,
	JO_FINDING_OUT_OF_RANGE,
	JO_FINDING_DUPLICATE,
	JO_FINDING_MISSING_KEY,
	JO_FINDING_UNKNOWN_KEY,
	JO_FINDING_NO_VERB,
	JO_FINDING_TWO_VERBS,
	JO_FINDING_WRONG_FORM,
	/* accepted by the grammar, refused by this release */
	JO_FINDING_NOT_BUILT,
	/* meaning: what only a look at the whole shows */
	JO_FINDING_UNKNOWN_STEP,
	JO_FINDING_UNREACHABLE_STEP,
	JO_FINDING_DEAD_END,
	JO_FINDING_INSTANT_CYCLE,
	JO_FINDING_WAITS_FOREVER,
	JO_FINDING_SHADOWED_BRANCH,
	JO_FINDING_RANKED_FOREVER,
	JO_FINDING_NEVER_COLLECTS,
	JO_FINDING_MISSING_ARM,
	JO_FINDING_UNKNOWN_ARM,
	JO_FINDING_BAD_OF,
	JO_FINDING_NO_ENTRY_KEY,
	JO_FINDING_BAD_DURATION,
	JO_FINDING_BAD_TIMEZONE,
	JO_FINDING_BAD_CRON,
	JO_FINDING_NEVER_DUE,
	JO_FINDING_NO_EFFECT,
	JO_FINDING_RESERVED_NAME,
	JO_FINDING_UNKNOWN_CHANNEL,
	JO_FINDING_UNKNOWN_TEMPLATE,
	JO_FINDING_BROKEN_TEMPLATE,
	JO_FINDING_NO_DEFAULT_LOCALE,
	JO_FINDING_MISSING_VARIABLE,
	JO_FINDING_NO_POSTAL_ADDRESS,
	JO_FINDING_NO_UNSUBSCRIBE,
	JO_FINDING_NO_SENDER,
	JO_FINDING_UNDECLARED_TOPIC,
	JO_FINDING_UNREVIEWED_RULE,
	JO_FINDING_UNKNOWN_ROLE,
	JO_FINDING_UNKNOWN_JOURNEY,
	JO_FINDING_ENTER_REFUSED,
	JO_FINDING_ENTER_CYCLE,
	JO_FINDING_EXPRESSION_SYNTAX,
	JO_FINDING_EXPRESSION_NAME,
	JO_FINDING_EXPRESSION_TYPE,
	JO_FINDING_EXPRESSION_REFUSED,
	JO_FINDING_EXPRESSION_RIGHTS,
	JO_FINDING_EXPRESSION_INVALID
} JoFindingCode;

#define JO_FINDING_CODES (JO_FINDING_EXPRESSION_INVALID + 1)

typedef struct JoFindingKind
{
	const char *name;
	JoSeverity	severity;
	const char *meaning;		/* for the documentation */
	const char *hint;			/* where a finding brings none of its own */
} JoFindingKind;

/* A place in a definition: a chain of keys and indexes, newest first, on the
 * stack of whoever walks.  Rendered as a JSON pointer only for a finding. */
typedef struct JoPath
{
	const struct JoPath *parent;	/* NULL: the definition itself */
	const char *key;			/* NULL: an array element */
	int			key_length;
	int			index;
} JoPath;

typedef struct JoFinding
{
	JoFindingCode code;
	int			ordinal;		/* order of discovery */
	char	   *path;
	char	   *message;
	char	   *hint;
	char		sqlstate[6];	/* of an expression's error, else empty */
} JoFinding;

/* All of them; lives in the context that was current at jo_findings_init(). */
typedef struct JoFindings
{
	MemoryContext context;
	List	   *list;			/* JoFinding * in order of discovery */
	int			errors;			/* of severity error, "not_built" left out */
	int			not_built;
	int			inside_not_built;	/* private to schema_check.c */
} JoFindings;

extern void jo_findings_init(JoFindings *findings);

/* Add one; "hint" NULL takes the code's own.  The result may be amended. */
extern JoFinding *jo_finding_add(JoFindings *findings, JoFindingCode code,
								 const JoPath *path, const char *hint,
								 const char *format,...) pg_attribute_printf(5, 6);

/* Errors first, then warnings, then infos; each in order of discovery. */
extern void jo_findings_sort(JoFindings *findings);

extern const JoFindingKind *jo_finding_kind(JoFindingCode code);
extern const char *jo_severity_name(JoSeverity severity);

/* JSON pointer of a path, palloc'd. */
extern char *jo_path_pointer(const JoPath *path);

/* Last key of a path, palloc'd; NULL for an element or the root. */
extern char *jo_path_last_key(const JoPath *path);

/* The candidate that "word" probably means, or NULL. */
extern const char *jo_closest(const char *word, int length,
							  const char *const *candidates, int n);

#endif							/* JO_FINDING_H */

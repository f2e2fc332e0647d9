/*
 * journey/reader.h
 *	  Between the files of the reader: one walk over a definition that makes a
 *	  graph and findings.
 *
 * read.c walks the top; read_entry.c the entry, goal and exit rules;
 * read_steps.c and read_acts.c the steps; read_values.c has the small parts all of them use;
 * check_graph.c and check_names.c look at the whole afterwards.
 *
 * The structure was checked along schema.json before.  A reader therefore
 * takes what is well-formed and passes over what is not in silence, so that a
 * definition with one wrong key still gets all its other findings.
 */
#ifndef JO_READER_H
#define JO_READER_H

#include "journey/finding.h"
#include "journey/journey.h"

/* One way out of a step.  Steps have their number in the definition's order
 * until check_graph.c renumbers them. */
typedef struct JoEdge
{
	int			from;
	int			to;				/* JO_NO_STEP: the run ends there, or the name
								 * is unknown */
	bool		is_instant;		/* may be taken with no time passing */
	const char *label;			/* for pictures; NULL: none */
} JoEdge;

typedef enum JoNameKind
{
	JO_NAME_CHANNEL,
	JO_NAME_TEMPLATE,
	JO_NAME_TOPIC,
	JO_NAME_ROLE
} JoNameKind;

/* An enter step. */
typedef struct JoEnterUse
{
	int			step;
	char	   *journey;
	const JoPath *path;
	bool		is_instant;		/* may be reached with no time passing */
} JoEnterUse;

/* A name that another room must know. */
typedef struct JoNameUse
{
	JoNameKind	kind;
	char	   *name;
	char	   *channel;		/* of a template */
	char	   *topic;			/* of a template, or NULL */
	const JoPath *path;
} JoNameUse;

typedef struct JoStepSource
{
	JsonbValue	name;
	JsonbValue	value;
	JoVerb		verb;
	bool		has_verb;		/* exactly one */
} JoStepSource;

typedef struct JoReader
{
	JoFindings *findings;
	JoGraph    *graph;
	Oid			owner;
	Oid			customer_type;
	bool		is_for_author;	/* look at what else must exist, and at rights */
	bool		has_entry_key;
	int			nsteps;
	JoStepSource *sources;		/* in the order of jsonb: by length, then
								 * bytes */
	int			nedges;
	int			edge_room;
	JoEdge	   *edges;			/* in order of "from" */
	List	   *slots;			/* int *: every step number in the graph */
	List	   *name_uses;		/* JoNameUse * */
	List	   *enters;			/* JoEnterUse * */
	int		   *first_edge;		/* by step, and one more: into edges */
	int			unknown_steps;	/* found so far */
} JoReader;

/* What of the four variables a place may read. */
#define JO_SCOPE_ENTRY	(JO_USES_CUSTOMER | JO_USES_EVENT | JO_USES_JOURNEY)
#define JO_SCOPE_RUN	(JO_SCOPE_ENTRY | JO_USES_CONTEXT)

/* ---- read.c ---- */

typedef struct JoReading
{
	JoFindings	findings;
	JoGraph    *graph;			/* with gaps where there are errors */
	int			nedges;			/* of the graph's numbering */
	JoEdge	   *edges;
} JoReading;

/*
 * Read a definition.  "owner" is whose rights its expressions have.
 * "is_for_author": also check what may change without the definition: that
 * channels, templates and topics exist, and that the owner has the rights.
 * Everything lives in CurrentMemoryContext and keeps pointers into
 * "definition".  Never raises for what an author wrote.
 */
extern JoReading *jo_definition_read(Jsonb *definition, Oid owner,
									 bool is_for_author);

/* ---- read_values.c ---- */

/* Member "key" of an object; false when there is none.  *path becomes its
 * place below "parent". */
extern bool jo_read_member(JsonbValue *object, const char *key,
						   const JoPath *parent, JsonbValue *value, JoPath *path);
extern bool jo_read_object(JsonbValue *object, const char *key,
						   const JoPath *parent, JsonbValue *value, JoPath *path);
extern bool jo_read_array(JsonbValue *object, const char *key,
						  const JoPath *parent, JsonbValue *value, JoPath *path);

/* A text member, palloc'd; NULL when there is none. */
extern char *jo_read_string(JsonbValue *object, const char *key);
extern int	jo_read_integer(JsonbValue *object, const char *key, int otherwise);
extern bool jo_read_boolean(JsonbValue *object, const char *key, bool otherwise);
extern char *jo_value_string(const JsonbValue *value);

/* Compile member "key"; NULL when there is none, or with a finding. */
extern JoExpression *jo_read_expression(JoReader *reader, JsonbValue *object,
										const char *key, const JoPath *parent,
										Oid result_type, int variables);

/* The same; the expression may write. */
extern JoExpression *jo_read_call_expression(JoReader *reader,
											 JsonbValue *object,
											 const char *key,
											 const JoPath *parent,
											 Oid result_type, int variables);

/* Add what is wrong with an expression. */
extern void jo_add_expression_finding(JoReader *reader, const JoPath *path,
									  const JoError *error);

/* A duration; false when there is none, or with a finding. */
extern bool jo_read_duration(JoReader *reader, JsonbValue *object,
							 const char *key, const JoPath *parent,
							 JoDuration *duration);
extern bool jo_value_duration(JoReader *reader, const JsonbValue *value,
							  const JoPath *path, JoDuration *duration);

/* As a duration, but it may be negative or zero. */
extern bool jo_read_offset(JoReader *reader, JsonbValue *object,
						   const char *key, const JoPath *parent,
						   Interval *offset);

extern void jo_read_timezone(JoReader *reader, JsonbValue *object,
							 const JoPath *parent);

/* on, when, match_key, of. */
extern void jo_read_match(JoReader *reader, JsonbValue *object,
						  const JoPath *path, JoMatch *match);

/*
 * Member "key" names the step taken from step "from" (JO_NO_STEP: the start of
 * the journey): an edge, kept in *slot.  Leaves JO_NO_STEP when there is none,
 * or with a finding.
 */
extern void jo_read_target(JoReader *reader, int from, JsonbValue *object,
						   const char *key, const JoPath *parent,
						   const char *label, bool is_instant, int *slot);

/* A way out of step "from", whose edges are added together. */
extern void jo_add_edge(JoReader *reader, int from, int to, const char *label,
						bool is_instant);

/* Number of a step by name, or JO_NO_STEP. */
extern int	jo_find_step(JoReader *reader, const char *name, int length);

/* The result is the reader's and may be amended. */
extern JoNameUse *jo_use_name(JoReader *reader, JoNameKind kind, char *name,
							  char *channel, const JoPath *path);

/* A copy of a path that outlives the walk. */
extern const JoPath *jo_path_copy(const JoPath *path);

/* ---- read_timing.c ---- */

/*
 * A delay of any form, and the ways out of its step.  False: a form that is
 * not built, or none.
 */
extern bool jo_read_delay(JoReader *reader, JoStep *step, JsonbValue *source,
						  const JoPath *path, JsonbValue *delay,
						  const JoPath *delay_path, JoDelay *time);

/* Add a finding where member "key", if it is there, can change nothing. */
extern void jo_check_effect(JoReader *reader, JsonbValue *object,
							const JoPath *parent, const char *key,
							const char *needs);

/* A date of expression "key" with its policies, and their ways out of the
 * step. */
extern void jo_read_date_rule(JoReader *reader, JoStep *step,
							  JsonbValue *object, const char *key,
							  const JoPath *path, JoDateRule *rule);

/* The date of an entry, which reads nothing but the customer. */
extern void jo_read_entry_date(JoReader *reader, JsonbValue *date,
							   const JoPath *path, JoEntry *entry);

/* A time form in a few words, for pictures. */
extern char *jo_timing_summary(JsonbValue *object);

/* ---- read_waits.c ---- */

extern void jo_read_restart(JoReader *reader, JsonbValue *source,
							const JoPath *path, JoRestart *restart);
extern void jo_read_wait(JoReader *reader, JoStep *step, JsonbValue *source,
						 const JoPath *path);
extern void jo_read_digest(JoReader *reader, JoStep *step, JsonbValue *source,
						   const JoPath *path);

/* ---- read_audience.c ---- */

/* Compile audience "key"; NULL when there is none, or with a finding. */
extern JoExpression *jo_read_audience(JoReader *reader, JsonbValue *object,
									  const char *key, const JoPath *parent);

/* ---- the other files ---- */

extern void jo_read_entry(JoReader *reader, JsonbValue *root);
extern void jo_read_goal(JoReader *reader, JsonbValue *root);
extern void jo_read_exits(JoReader *reader, JsonbValue *root);
extern void jo_read_step(JoReader *reader, int number);
extern void jo_read_call(JoReader *reader, JoStep *step, JsonbValue *source,
						 const JoPath *path);
extern void jo_read_emit(JoReader *reader, JoStep *step, JsonbValue *source,
						 const JoPath *path);
extern void jo_read_enter(JoReader *reader, JoStep *step, JsonbValue *source,
						  const JoPath *path);
extern void jo_read_approve(JoReader *reader, JoStep *step,
							JsonbValue *source, const JoPath *path);
extern void jo_read_unbuilt(JoReader *reader, int from, JsonbValue *object,
							const JoPath *path);

/* Reachability, dead ends, instant cycles; then number the steps breadth-first
 * and turn every slot and edge to the new numbers. */
extern void jo_check_graph(JoReader *reader);
extern void jo_check_digests(JoReader *reader);
extern void jo_number_steps(JoReader *reader);

extern void jo_check_names(JoReader *reader);

/* ---- check_rules.c ---- */

extern void jo_check_rules(JoReader *reader);

/* ---- check_templates.c ---- */

/* Findings about the templates that exist for what the steps send. */
extern void jo_check_templates(JoReader *reader);

/* ---- template_use.c ---- */

/* Look at what set_template() declares, too. */
extern void jo_template_use_init(void);

/* check_enter.c: which enter steps a run may reach at once, before the steps
 * are numbered; whether what they enter exists and takes them. */
extern void jo_find_enters(JoReader *reader);
extern void jo_check_enters(JoReader *reader);

#endif							/* JO_READER_H */

WITH found AS (SELECT id FROM bench.queue WHERE held_till IS NULL ORDER BY id LIMIT :batch FOR UPDATE SKIP LOCKED), held AS (UPDATE bench.queue SET held_till = now() + interval '1 minute' FROM found WHERE queue.id = found.id RETURNING queue.id, queue.body) SELECT string_agg(id::text, ',') AS ids, sum(length(body::text)) AS bytes FROM held \gset
DELETE FROM bench.queue WHERE id IN (:ids);

SELECT max(claim_id) AS claim, sum(length(payload::text)) AS bytes FROM journey_orch.claim('email', 'bench', max_messages => :batch) \gset
SELECT count(*) FROM journey_orch.ack(:claim);

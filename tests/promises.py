"""What the README promises, and the tests that prove it.

In the README a promise is a sentence followed by `<!-- promise: id -->`. Each stands here once, with its very
words and the ids of its tests: a test, a file or a folder, all of which must exist.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise.

    Attributes:
        id: as in the README's mark.
        sentence: the words before the mark, white space made single spaces.
        tests: ids of tests, files or folders that prove it.
    """

    id: str
    sentence: str
    tests: tuple[str, ...]


PROMISES = (
    Promise(
        "one-endpoint",
        "Every persona is a model name on one OpenAI-compatible endpoint.",
        (
            "tests/engine/test_clients.py::test_the_models_are_the_personas",
            "tests/server/test_chat.py::test_models_are_the_personas",
            "tests/server/test_chat.py::test_the_base_and_adapter_versions_are_no_models_of_a_client",
        ),
    ),
    Promise(
        "setup-goes-on",
        "A broken-off set-up goes on where it was when you run it again.",
        (
            "tests/bootstrap/test_packages.py::test_a_missing_package_ends_in_one_sentence_and_the_next_run_goes_on",
            "tests/bootstrap/test_packages.py::test_a_package_whose_installation_was_cut_off_is_installed_again",
            "tests/bootstrap/test_models.py::test_an_interrupted_build_leaves_no_folder_and_the_next_run_succeeds",
        ),
    ),
    Promise(
        "nothing-left",
        "Ctrl-C stops everything within ten seconds, and not even `kill -9` leaves a process behind.",
        (
            "tests/engine/test_life.py::test_ctrl_c_leaves_nothing_behind_within_ten_seconds",
            "tests/engine/test_life.py::test_a_killed_server_leaves_no_process_and_its_data_directory_free",
            "tests/retrieval/test_embedder.py::test_child_dies_with_a_killed_parent",
            "tests/actions/test_tickets.py::test_the_tracker_ends_with_a_parent_that_is_killed",
        ),
    ),
    Promise(
        "persona-errors",
        "A mistake is told with file, line and field:",
        (
            "tests/server/test_personas.py::test_a_problem_names_file_line_and_field_and_what_to_write",
            "tests/cli/test_command_line.py::test_persona_check_names_file_line_and_field_and_fails",
        ),
    ),
    Promise(
        "hot-reload",
        "A changed file serves within two seconds; a broken one keeps the last good set.",
        (
            "tests/server/test_personas.py::test_a_changed_file_serves_within_two_seconds",
            "tests/server/test_personas.py::test_a_broken_file_keeps_the_last_good_set_and_is_shown",
        ),
    ),
    Promise(
        "sync-changes",
        "Files in a knowledge folder (Markdown, text, PDF, DOCX, PPTX, XLSX, HTML, CSV, JSON, EML, pictures, "
        "source code) are read at the start and when personas change, and only what changed is embedded again.",
        (
            "tests/retrieval/parsing/test_formats.py",
            "tests/retrieval/test_documents.py::test_unchanged_bytes_are_not_parsed_again_and_their_warning_stays",
            "tests/retrieval/test_sync.py::test_second_sync_of_the_same_folder_embeds_nothing",
            "tests/retrieval/test_sync.py::test_only_the_changed_passage_of_a_changed_file_is_embedded_again",
        ),
    ),
    Promise(
        "sync-crash",
        "A crash in between leaves each document old or new, never torn.",
        ("tests/retrieval/test_crash.py::test_killed_sync_leaves_each_document_old_or_new",),
    ),
    Promise(
        "pages",
        "A citation from a PDF, a presentation or a workbook names the page, slide or sheet.",
        (
            "tests/server/test_knowledge.py::test_a_pdf_is_found_and_cited_with_its_page",
            "tests/retrieval/test_documents.py"
            "::test_a_slide_or_sheet_is_called_so_and_a_heading_of_word_is_in_the_path",
            "tests/retrieval/test_splitting.py::test_no_piece_crosses_a_page_and_each_page_has_one",
        ),
    ),
    Promise(
        "scans",
        "The text of scanned pages and of pictures (PNG, JPEG, TIFF, WebP, BMP) is recognised on your machine.",
        (
            "tests/retrieval/parsing/test_recognition.py::test_a_picture_of_each_kind_is_read",
            "tests/retrieval/parsing/test_recognition.py::test_recognition_asks_no_network_and_writes_nothing",
            "tests/retrieval/parsing/test_scans.py::test_scanned_pages_stand_between_the_others_under_their_own_numbers",
        ),
    ),
    Promise(
        "fails-alone",
        "Each of these files is parsed in a process of its own with bounds on time and memory: a broken or "
        "hostile one fails alone.",
        (
            "tests/retrieval/parsing/test_hostile.py",
            "tests/retrieval/test_documents.py"
            "::test_a_hostile_file_fails_alone_and_what_was_read_of_it_before_stays",
        ),
    ),
    Promise(
        "clients",
        "The tests drive the official `openai` client (synchronous, asynchronous, streaming) and LangChain "
        "against the real engine.",
        (
            "tests/engine/test_clients.py::test_a_persona_answers_from_its_knowledge_with_its_adapter_and_cites",
            "tests/engine/test_clients.py::test_a_stream_says_what_the_whole_answer_says",
            "tests/engine/test_clients.py::test_the_asynchronous_client_streams",
            "tests/engine/test_clients.py::test_langchain_chats_and_streams",
            "tests/engine/test_clients.py::test_embeddings_put_like_beside_like",
        ),
    ),
    Promise(
        "no-revealing-parameters",
        "Those that could reveal instructions or touch other users are refused by name.",
        ("tests/server/test_wire.py::test_parameters_that_could_reveal_are_refused_by_name",),
    ),
    Promise(
        "citations",
        "Citations are `annotations` of OpenAI's shape, streamed or not, and their character ranges are exact:",
        (
            "tests/server/test_knowledge.py::test_markers_become_citations_that_resolve_to_the_very_passage",
            "tests/server/test_knowledge.py::test_a_streamed_answer_carries_the_same_text_and_citations",
            "tests/server/test_knowledge.py::test_an_answer_without_markers_is_attributed_by_the_server",
            "tests/retrieval/test_citations.py::test_each_supported_sentence_is_cited_with_its_exact_range",
        ),
    ),
    Promise(
        "plain-answers",
        "Without the request nothing but OpenAI's fields is in the answer.",
        (
            "tests/server/test_chat.py"
            "::test_nothing_but_openais_fields_reaches_a_client_that_asks_for_nothing_more",
        ),
    ),
    Promise(
        "approvals",
        "Everything else is *consequential*, unless the persona says otherwise: it waits for a person, and is "
        "then made once, with exactly the arguments that were shown.",
        (
            "tests/actions/test_documents.py"
            "::test_a_document_can_only_make_an_operation_stricter_and_the_overlay_alone_loosens",
            "tests/server/test_actions.py::test_a_consequential_action_waits_and_then_is_carried_out_once",
            "tests/server/test_actions.py::test_a_native_consequential_call_waits_too",
            "tests/actions/test_approvals.py::test_an_approval_is_not_claimed_for_another_effect",
            "tests/actions/test_approvals.py::test_of_many_threads_exactly_one_claims",
            "tests/engine/test_clients.py::test_a_ticket_is_searched_at_once_and_filed_after_approval",
        ),
    ),
    Promise(
        "only-stricter",
        "What a document says of itself can only make it stricter.",
        (
            "tests/actions/test_documents.py"
            "::test_a_document_can_only_make_an_operation_stricter_and_the_overlay_alone_loosens",
            "tests/server/test_red_team.py::test_an_order_in_a_document_makes_no_consequential_call",
        ),
    ),
    Promise(
        "any-document",
        "Any OpenAPI 3.0 or 3.1 document will do, JSON or YAML, also the one that FastAPI writes: parameters in "
        "path, query, header and cookie in every style of the specification, bodies as JSON, forms, multipart "
        "forms with files as text, and plain text.",
        (
            "tests/actions/test_styles.py",
            "tests/actions/test_bodies.py",
            "tests/actions/test_round_trips.py",
            "tests/actions/test_object_documents.py",
        ),
    ),
    Promise(
        "pinned-documents",
        "A document from a URL is pinned: when the address holds another one, the accepted one goes on serving "
        "and you are asked.",
        (
            "tests/actions/test_pins.py"
            "::test_a_changed_document_waits_for_the_operator_and_the_accepted_one_serves",
            "tests/cli/test_actions.py::test_a_changed_document_fails_the_check_and_is_taken_by_accept",
        ),
    ),
    Promise(
        "never-twice",
        "A call whose outcome is unclear, because the server was killed at that moment, is never repeated by "
        "itself.",
        (
            "tests/actions/test_approvals.py::test_after_a_crash_a_sent_call_is_unknown_and_never_repeated",
            "tests/actions/test_approvals.py"
            "::test_a_call_that_was_sent_and_never_reported_becomes_unknown_by_itself",
            "tests/faults/test_actions.py",
        ),
    ),
    Promise(
        "edits",
        "An edited call is checked like the model's own and made as the person wrote it; both versions are kept.",
        (
            "tests/server/test_action_policy.py::test_an_edited_call_is_made_once_as_the_person_wrote_it",
            "tests/server/test_action_policy.py::test_an_edit_that_does_not_fit_the_operation_decides_nothing",
        ),
    ),
    Promise(
        "journal",
        "Every call, reading included, is written down before it is sent.",
        (
            "tests/server/test_action_policy.py"
            "::test_a_call_is_written_down_as_sent_before_the_service_hears_of_it",
            "tests/server/test_action_policy.py::test_a_call_that_cannot_be_written_down_is_not_made",
            "tests/cli/test_actions.py"
            "::test_a_call_by_hand_is_in_the_journal_as_the_operators_and_one_that_is_only_shown_is_not",
            "tests/actions/test_journal.py::test_an_approved_call_is_written_with_its_claim_or_not_at_all",
            "tests/faults/test_actions.py",
        ),
    ),
    Promise(
        "retries",
        "A call that failed for a passing reason is tried again only if that can do no harm: `GET`, searches by "
        "`POST` that the persona calls `read_only` or a connector of ours makes, and what the persona gives an "
        "`idempotency_header` that the service knows; no document's own word counts.",
        (
            "tests/actions/test_delivery.py",
            "tests/actions/test_hubspot.py"
            "::test_a_search_that_came_too_soon_is_made_again_after_a_while_and_a_note_is_not",
        ),
    ),
    Promise(
        "network-guard",
        "Private and internal addresses are refused, unless `REPERTORY_PRIVATE_HOSTS` grants them one by one.",
        ("tests/actions/test_guard.py", "tests/actions/test_attacks.py"),
    ),
    Promise(
        "red-team",
        "A model that obeys every order in documents, others' uploads, file names and answers of services still "
        "makes no consequential call without a person.",
        ("tests/server/test_red_team.py",),
    ),
    Promise(
        "connectors-wait",
        "Searching and reading are made at once; what makes, changes, posts or sends waits for a person.",
        (
            "tests/actions/test_connectors.py::test_only_what_reads_is_harmless",
            "tests/examples/test_crm.py"
            "::test_the_persona_looks_a_contact_up_reads_deals_and_logs_a_note_after_approval",
        ),
    ),
    Promise(
        "bound-queries",
        "No model writes a query for Salesforce: each is the operator's or ours, and what a model chooses is "
        "bound as a literal of its type.",
        (
            "tests/actions/test_soql.py::test_any_two_texts_stay_two_texts_of_the_same_query",
            "tests/actions/test_salesforce.py::test_no_operation_takes_a_query_from_the_model",
            "tests/actions/test_salesforce.py::test_what_a_model_writes_never_becomes_a_part_of_the_query",
        ),
    ),
    Promise(
        "slack-ok",
        "An answer of Slack that is not `ok` is a failure, whatever its status says.",
        (
            "tests/actions/test_slack.py::test_an_answer_that_says_not_ok_is_a_failure_although_its_status_is_200",
            "tests/actions/test_slack.py::test_an_answer_is_believed_by_its_own_field",
        ),
    ),
    Promise(
        "findings",
        "**Check** tells every fault with its line, its field, a code and what to do about it.",
        (
            "tests/adapters/datasets/test_findings.py",
            "tests/adapters/datasets/test_hostile.py",
            "tests/cli/test_datasets.py::test_a_check_tells_findings_with_their_mend_and_the_four_dimensions",
        ),
    ),
    Promise(
        "quality",
        "It counts tokens with the base's own tokenizer and template, compares the system prompt with the one "
        "that the persona is served with, and measures accuracy, completeness, consistency and relevance, each "
        "measure with the lines that count against it.",
        (
            "tests/adapters/datasets/test_quality.py",
            "tests/adapters/datasets/test_report.py::test_tokens_are_those_that_training_sees",
            "tests/adapters/datasets/test_report.py::test_a_system_prompt_that_is_not_the_personas_is_a_fault",
            "tests/cli/test_datasets.py::test_a_check_compares_with_the_persona_and_writes_a_page",
        ),
    ),
    Promise(
        "dataset-versions",
        "A version never changes, and a killed import leaves it whole or absent.",
        (
            "tests/adapters/datasets/test_versions.py",
            "tests/faults/test_kills.py::test_a_kill_at_a_named_step_loses_nothing",
            "tests/server/test_uploads.py::test_a_backup_has_the_data_sets_and_their_parts_and_gives_them_back",
        ),
    ),
    Promise(
        "personal-data",
        "Mail addresses, phone, card, account and social security numbers and IP addresses are found on your "
        "machine, and by choice block the import (default), are masked, or stay; no report quotes them.",
        (
            "tests/adapters/datasets/test_personal.py",
            "tests/adapters/datasets/test_versions.py"
            "::test_personal_data_that_is_blocked_is_told_by_place_and_never_quoted",
            "tests/adapters/datasets/test_versions.py"
            "::test_personal_data_that_is_masked_is_nowhere_in_what_is_kept",
        ),
    ),
    Promise(
        "no-leaks",
        "**Split** makes parts that share no conversation and no question, not even a nearly equal one, each with "
        "its share of every label.",
        ("tests/adapters/datasets/test_splitting.py",),
    ),
    Promise(
        "fine-tune-files",
        "`/v1/files` with `purpose: fine-tune` keeps a file only if it could be trained on, and otherwise names "
        "the lines.",
        (
            "tests/wire/test_uploads.py::test_a_sound_file_for_fine_tuning_is_kept",
            "tests/wire/test_uploads.py"
            "::test_a_file_that_no_training_takes_is_refused_with_its_line_and_leaves_nothing",
        ),
    ),
    Promise(
        "training-goes-on",
        "A training that is broken off goes on bit by bit when the same command is given again.",
        (
            "tests/adapters/test_training.py"
            "::test_a_training_that_is_killed_goes_on_bit_by_bit_as_if_it_had_not_been",
        ),
    ),
    Promise(
        "fine-tuning-jobs",
        "A job goes on after a kill at any step, and `fine_tuned_model` is a model name that answers.",
        (
            "tests/wire/test_fine_tuning.py::test_a_job_goes_from_files_to_a_model_whose_name_answers",
            "tests/faults/test_kills.py"
            "::test_a_kill_at_a_named_step_of_a_job_takes_it_up_there_and_ends_as_if_nothing_had_been",
        ),
    ),
    Promise(
        "import-refusals",
        "What vLLM cannot or must not serve (DoRA, biases, added tokens, pickles, links, code, a rank too high, "
        "another base) is refused with a code and a sentence.",
        ("tests/adapters/test_import.py",),
    ),
    Promise(
        "release-under-traffic",
        "Requests in flight finish on the version that they began with, and the previous one stays in memory.",
        (
            "tests/engine/test_releases.py::test_versions_flip_under_traffic_without_a_failed_or_stale_answer",
            "tests/server/test_releases.py"
            "::test_a_rollback_returns_to_the_previous_version_which_was_kept_in_memory",
        ),
    ),
    Promise(
        "override-recorded",
        "A version that passed no evaluation needs `--override` and a reason, and both are recorded.",
        (
            "tests/adapters/test_states.py"
            "::test_an_ungated_version_needs_an_override_with_a_reason_and_both_are_recorded",
            "tests/engine/test_releases.py::test_an_ungated_version_needs_an_override_that_is_recorded",
            "tests/cli/test_server_commands.py::test_an_override_without_a_reason_is_a_usage_error",
        ),
    ),
    Promise(
        "second-person",
        "A version that its gate has let pass is approved by someone other than its author, or, where its persona "
        "says `promotion: automatic`, answers at once.",
        (
            "tests/adapters/test_states.py::test_a_version_is_approved_by_someone_other_than_its_author",
            "tests/server/test_rollouts.py::test_a_version_is_approved_by_another_than_its_author",
            "tests/server/test_rollouts.py::test_a_pass_promotes_by_itself_only_where_the_persona_says_so",
        ),
    ),
    Promise(
        "sticky",
        "Who has met a version stays with it.",
        (
            "tests/adapters/test_rollouts.py::test_a_ramp_keeps_everyone_who_has_met_a_version_with_it",
            "tests/server/test_rollouts.py::test_a_ramp_adds_users_and_takes_nobody_back",
        ),
    ),
    Promise(
        "hard-stops",
        "Errors, empty, cut off, looping, slow or unsafe answers end a rollout by themselves, and from the next "
        "turn on production answers everyone, without a load.",
        (
            "tests/adapters/test_rollouts.py::test_too_many_faults_stop_a_rollout_in_words",
            "tests/adapters/test_rollouts.py::test_slow_answers_and_unsafe_ones_stop_a_rollout",
            "tests/server/test_rollouts.py::test_too_many_empty_answers_end_a_rollout_by_itself",
            "tests/server/test_rollouts.py::test_a_stop_takes_effect_at_the_next_turn_and_loads_nothing",
        ),
    ),
    Promise(
        "peeking",
        "The two versions are compared by a test that may be looked at after every answer.",
        (
            "tests/adapters/test_rollouts.py"
            "::test_two_equal_versions_are_told_apart_no_oftener_than_alpha_however_often_one_looks",
            "tests/soak/test_sequential.py",
        ),
    ),
    Promise(
        "archives",
        "`adapter export` and `import` carry a version elsewhere as one archive with verified hashes.",
        ("tests/adapters/test_papers.py",),
    ),
    Promise(
        "tutorial",
        "every command in it is run by a test.",
        ("tests/cli/test_tutorial.py::test_every_command_of_the_tutorial_does_what_it_says",),
    ),
    Promise(
        "isolation",
        "On CPU with a small base, no persona's answer depends on who else is served at the same time: this "
        "takes float32, and LoRA operators of our own, because vLLM's mix up adapters.",
        (
            "tests/engine/test_isolation.py::test_each_persona_answers_as_it_does_alone_in_every_mix",
            "tests/engine/test_plain_vllm.py::test_the_measurement_of_isolation_fails_with_the_operators_of_vllm",
            "tests/adapters/plugin/test_products.py",
        ),
    ),
    Promise(
        "no-web-pages",
        "On loopback, `/v1` is open to programs on this machine but not to web pages: foreign hosts and origins "
        "are turned away.",
        (
            "tests/server/test_wire.py::test_foreign_hosts_and_pages_are_turned_away",
            "tests/server/test_wire.py::test_a_plain_web_form_cannot_post",
        ),
    ),
    Promise(
        "api-needs-keys",
        "Everything under `/api` (adapters, approvals, knowledge, persona states) always needs a key.",
        ("tests/server/test_keys.py::test_on_loopback_v1_is_open_and_api_never_is",),
    ),
    Promise(
        "public-bind",
        "A public bind without any key refuses to start.",
        ("tests/server/test_keys.py::test_a_public_bind_without_keys_refuses_to_start",),
    ),
    Promise(
        "plain-vllm",
        "An engine without the plug-in serves the personas that have no adapter, and the others say why.",
        (
            "tests/engine/test_plain_vllm.py::test_without_the_plug_in_only_personas_without_adapter_answer",
            "tests/server/test_releases.py::test_without_the_right_handshake_no_adapter_is_served",
        ),
    ),
    Promise(
        "honest-evaluation",
        "An adapter counts as worth it only if the whole interval lies above zero, and it still does when the "
        "answers are read leniently, so that no prompt loses for its layout.",
        (
            "tests/examples/test_evaluation.py"
            "::test_an_adapter_as_good_as_the_best_prompt_is_not_shown_to_be_worth_it",
            "tests/examples/test_evaluation.py"
            "::test_an_adapter_is_not_worth_it_where_a_prompt_is_as_right_in_other_words",
        ),
    ),
    Promise(
        "eval-gate",
        "`repertory eval run FILE --version N` asks the prompt alone, the version in production and a new one the "
        "same questions, and a gate of paired tests says pass, fail or inconclusive, in words.",
        (
            "tests/server/test_evals.py::test_a_version_that_beats_the_prompt_alone_becomes_a_candidate",
            "tests/server/test_evals.py::test_a_version_that_the_prompt_alone_equals_is_rejected_in_words",
            "tests/server/test_evals.py::test_too_few_cases_are_inconclusive_and_promote_nothing",
            "tests/server/test_evals.py::test_the_version_in_production_is_asked_too",
            "tests/adapters/evaluation/test_gate.py",
        ),
    ),
    Promise(
        "eval-goes-on",
        "What was answered before a kill is not asked again.",
        ("tests/server/test_evals_resumed.py",),
    ),
    Promise(
        "well-formed",
        "With `guided` calling the model first chooses one name from a fixed list and then writes arguments under "
        "the operation's JSON Schema, so that even a very small model makes well-formed calls.",
        (
            "tests/engine/test_guided.py::test_arguments_under_any_schema_parse_validate_and_are_sent",
            "tests/server/test_actions.py::test_guided_calling_decides_writes_arguments_calls_and_answers",
        ),
    ),
    Promise(
        "endless-arguments",
        "Arguments that do not come to an end are asked for once more, without what is optional and with short "
        "texts.",
        (
            "tests/server/test_guided.py::test_arguments_without_end_are_asked_for_once_more_and_shorter",
            "tests/server/test_guided.py::test_arguments_that_never_end_are_not_sent",
        ),
    ),
    Promise(
        "checked-arguments",
        "Arguments are checked again before anything is sent; wrong ones get one corrected try and are otherwise "
        "never sent.",
        (
            "tests/server/test_actions.py::test_wrong_arguments_get_one_corrected_try",
            "tests/server/test_actions.py::test_arguments_that_stay_wrong_are_never_sent",
        ),
    ),
    Promise(
        "secrets-bound",
        "Secrets stand in a file of their own (`REPERTORY_SECRETS_FILE`), bound to hosts and personas; a persona "
        "only names them:",
        (
            "tests/actions/test_secrets.py::test_a_secret_that_is_not_bound_here_refuses_the_persona",
            "tests/actions/test_secrets.py::test_a_secret_follows_no_redirect_to_another_host",
            "tests/actions/test_secrets.py::test_the_secrets_file_is_read",
        ),
    ),
    Promise(
        "connected-accounts",
        "With the last one each caller connects an account: an assistant that needs it answers with a link, and "
        "`repertory action connect PERSONA SECRET` prints one.",
        (
            "tests/server/test_connections.py"
            "::test_a_caller_without_account_gets_a_link_and_after_signing_in_the_answer",
            "tests/actions/test_sign_in.py::test_one_callers_account_serves_no_other_caller",
            "tests/cli/test_connections.py::test_connect_prints_the_link_and_waits_until_the_account_is_connected",
        ),
    ),
    Promise(
        "secrets-unseen",
        "What services echo of a secret or a token is hidden before a model, a log or a transcript sees it.",
        (
            "tests/server/test_connections.py"
            "::test_no_token_code_or_client_secret_stands_in_logs_answers_transcripts_traces_or_the_database",
            "tests/actions/test_secrets.py::test_every_usual_form_of_a_secret_is_hidden",
            "tests/actions/test_secrets.py::test_a_query_key_reaches_the_service_and_stands_in_no_log",
        ),
    ),
    Promise(
        "mcp-pinned",
        "Tools of MCP servers are called under the same rules; one that changes after it was accepted is not "
        "called until an operator accepts the change.",
        (
            "tests/actions/test_mcp.py::test_a_tool_that_changed_since_it_was_accepted_is_not_called",
            "tests/actions/test_mcp.py"
            "::test_the_tools_that_were_accepted_are_offered_and_every_one_waits_for_a_person",
            "tests/server/test_mcp.py::test_a_tool_that_says_it_only_reads_waits_for_a_person_all_the_same",
            "tests/server/test_mcp.py::test_what_was_approved_is_not_called_once_the_tool_has_changed",
        ),
    ),
    Promise(
        "hooks-survive",
        "A question that was taken in is answered after a crash, too, and a callback never says two things.",
        (
            "tests/faults/test_kills.py"
            "::test_a_kill_at_a_named_step_of_a_hook_answers_and_tells_each_question_once",
            "tests/faults/test_hooks.py",
            "tests/server/test_hooks.py::test_a_callback_that_is_not_taken_is_tried_for_a_day_with_the_same_words",
        ),
    ),
    Promise(
        "hashed-keys",
        "Keys are stored as hashes and shown once.",
        (
            "tests/server/test_keys.py::test_secrets_are_stored_only_as_hashes",
            "tests/cli/test_keys.py::test_a_list_never_shows_a_secret",
        ),
    ),
    Promise(
        "client-gone",
        "A client that leaves frees the engine within a second.",
        (
            "tests/engine/test_life.py::test_a_client_that_leaves_frees_the_engine_within_a_second",
            "tests/server/test_served.py::test_closing_a_stream_frees_the_engine_within_a_second",
        ),
    ),
    Promise(
        "doctor",
        "looks at Python, packages, models, disk, ports, server and engine, and says what to do.",
        ("tests/cli/test_doctor.py",),
    ),
    Promise(
        "engine-comes-back",
        "If vLLM dies, it is started again, and the personas answer again by themselves, adapters included; an "
        "answer that was under way ends in one error frame.",
        (
            "tests/engine/test_life.py"
            "::test_an_engine_killed_in_mid_answer_ends_in_one_error_frame_and_comes_back",
            "tests/server/test_breakage.py::test_an_engine_that_breaks_off_gives_exactly_one_error_frame",
        ),
    ),
    Promise(
        "client-matrix",
        "The newest releases of `openai`, LangChain (with its published suites), litellm, `llm` and the AI SDK "
        "pass their tests against the gateway.",
        ("tests/clients/test_clients.py::test_a_client_passes_its_tests_and_skips_only_what_is_listed",),
    ),
    Promise(
        "http-reference",
        "[docs/http.md](docs/http.md) has every address and parameter, and `GET /openapi.json` the same for "
        "programs.",
        (
            "tests/wire/test_http_document.py::test_the_http_reference_has_every_address_and_no_other",
            "tests/wire/test_http_document.py::test_the_document_is_valid_and_knows_every_route_and_no_other",
            "tests/wire/test_http_document.py::test_every_answer_fits_the_document",
        ),
    ),
    Promise(
        "limits",
        "A key can be limited in requests and tokens, a minute and a day; however many requests come at once, no "
        "more than the limit pass.",
        (
            "tests/server/test_limits.py::test_of_fifty_requests_at_once_no_more_than_the_limit_pass",
            "tests/server/test_limits.py::test_of_fifty_requests_at_once_tokens_are_passed_by_less_than_one",
            "tests/server/test_limits.py::test_a_days_count_survives_a_restart",
            "tests/server/test_usage.py::test_usage_is_summed_by_key_persona_and_day",
        ),
    ),
    Promise(
        "uploads-survive",
        "An uploaded file is read on after a crash where it was.",
        (
            "tests/retrieval/test_ingest_crash.py",
            "tests/server/test_uploads.py::test_what_waited_when_the_server_died_is_read_after_the_next_start",
        ),
    ),
    Promise(
        "documents-survive",
        "No crash loses a document or leaves a passage of a deleted one.",
        (
            "tests/faults/test_kills.py::test_a_kill_at_a_named_step_loses_no_document_and_leaves_no_ghost",
            "tests/faults/test_kills.py::test_ten_kills_at_random_steps_lose_no_document",
            "tests/faults/test_documents.py",
        ),
    ),
    Promise(
        "stores-are-private",
        "A store belongs to the key that made it: a passage of it is found by its owner and by those it is shared "
        "with, and by nobody else.",
        (
            "tests/retrieval/test_access.py",
            "tests/wire/test_uploads.py::test_anothers_file_and_store_look_as_if_there_were_none",
            "tests/wire/test_uploads.py::test_a_shared_store_is_read_and_not_changed",
            "tests/wire/test_uploads.py::test_a_persona_gives_passages_of_a_store_to_those_who_may_read_it",
        ),
    ),
    Promise(
        "filters-keep-recall",
        "A filter on attributes keeps full recall, however narrow it is.",
        (
            "tests/retrieval/test_vector_stores.py::"
            "test_a_narrow_filter_finds_what_a_whole_store_of_better_hits_would_hide",
            "tests/retrieval/test_vector_stores.py::test_filters_pass_exactly_the_files_that_they_describe",
        ),
    ),
    Promise(
        "slack",
        "Personas also speak in Slack: mentioned in channels, in direct messages and in the assistant view, with "
        "streamed answers, steps, sources, follow-ups without a mention and files of a thread.",
        ("tests/slack/test_main_road.py", "tests/slack/test_conversations.py"),
    ),
    Promise(
        "slack-approvals",
        "Calls are approved with buttons, by whoever asked or by the people whom the persona names.",
        (
            "tests/slack/test_buttons.py::"
            "test_a_call_is_made_once_the_asker_approves_it_and_its_outcome_told_in_the_thread",
            "tests/slack/test_buttons.py::test_somebody_else_cannot_decide_for_the_asker",
            "tests/slack/test_buttons.py::test_where_approvers_are_named_the_asker_is_none_of_them",
        ),
    ),
    Promise(
        "slack-once",
        "Each question is answered once, however often Slack delivers it, connections break or the program is "
        "killed; an answer that was broken off ends in a word about it.",
        ("tests/slack/test_exactly_once.py", "tests/slack/test_kills.py", "tests/slack/test_leases.py"),
    ),
    Promise(
        "feedback",
        "What people think of an answer, here or through `POST /api/feedback`, is kept beside the persona's "
        "revision, the adapter version and the sources.",
        (
            "tests/server/test_feedback.py::"
            "test_an_opinion_is_kept_beside_revision_adapter_and_sources_of_its_answer",
            "tests/slack/test_buttons.py::test_feedback_is_kept_beside_revision_and_sources",
        ),
    ),
    Promise(
        "no-text-in-logs",
        "Neither metrics nor traces nor logs hold any text of a user.",
        (
            "tests/server/test_logs.py::test_no_text_of_a_user_is_ever_logged",
            "tests/server/test_metrics.py::test_words_of_a_client_never_become_labels",
            "tests/server/test_traces.py",
        ),
    ),
    Promise(
        "transcripts",
        "By default a transcript has metadata and no text. Texts are kept by choice and for days; what a user or "
        "a conversation said can be deleted, down to the bytes on the disk.",
        (
            "tests/server/test_transcripts.py::test_by_default_a_transcript_has_metadata_and_no_text",
            "tests/server/test_transcripts.py::test_texts_and_then_the_rest_go_after_their_days",
            "tests/server/test_transcripts.py::test_what_a_user_or_a_conversation_said_is_gone_from_the_disk",
        ),
    ),
    Promise(
        "backup",
        "`repertory backup FILE.tar.gz` works while the server runs and holds all that was acknowledged before.",
        (
            "tests/server/test_backup.py::test_a_backup_taken_while_others_write_holds_all_that_was_acknowledged_before",
        ),
    ),
    Promise(
        "fair-and-flat",
        "Two hundred streams at once take about the same time, and memory stays flat.",
        (
            "tests/faults/test_fairness.py::test_two_hundred_streams_at_once_take_about_the_same_time",
            "tests/faults/test_fairness.py::test_memory_stays_flat_over_two_thousand_requests",
        ),
    ),
    Promise(
        "kills",
        "A killed gateway loses nothing that it acknowledged.",
        (
            "tests/faults/test_kills.py::test_a_kill_at_a_named_step_loses_nothing",
            "tests/faults/test_kills.py::test_ten_kills_at_random_steps_lose_nothing",
            "tests/faults/test_gateway.py::test_a_killed_gateway_loses_nothing_that_it_promised_and_starts_again",
        ),
    ),
)

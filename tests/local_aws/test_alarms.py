"""CloudWatch alarms on the local AWS: evaluation of metrics, states and notifications."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from local_aws import alarms, inbox

MINUTE = timedelta(minutes=1)


class MonitoredMetric:
    """A metric with a unique name, alarms on it, and the e-mails that they send."""

    def __init__(self, aws):
        """Create a topic with one e-mail subscription."""
        self.aws = aws
        self.cloudwatch = aws.client("cloudwatch")
        self.name = f"Metric{uuid.uuid4().hex}"
        self.topic = aws.client("sns").create_topic(Name=self.name)["TopicArn"]
        aws.client("sns").subscribe(TopicArn=self.topic, Protocol="email", Endpoint="ops@example.com")
        self.began = datetime.now(UTC)

    def alarm(self, **settings):
        """Create an alarm on a five-minute sum above 0; `settings` override its defaults."""
        defaults = {
            "AlarmName": self.name,
            "AlarmDescription": "Rows are held back.",
            "Namespace": "Totelake",
            "MetricName": self.name,
            "Statistic": "Sum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": 0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [self.topic],
        }
        self.cloudwatch.put_metric_alarm(**{**defaults, **settings})

    def publish(self, value, unit="Count", **dimensions):
        """Publish a data point of the metric."""
        named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
        datum = {"MetricName": self.name, "Value": value, "Unit": unit, "Dimensions": named}
        self.cloudwatch.put_metric_data(Namespace="Totelake", MetricData=[datum])

    def evaluate(self, minutes=0.0):
        """Evaluate all alarms as of `minutes` from now, and return the state of this one."""
        alarms.evaluate(datetime.now(UTC) + minutes * MINUTE)
        [alarm] = self.cloudwatch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"]
        self.reason = alarm["StateReason"]
        return alarm["StateValue"]

    @property
    def mails(self):
        """The e-mails of the topic."""
        return [mail for mail in inbox.messages(self.aws.state) if mail.topic == self.topic]


@pytest.fixture
def monitored(local_aws):
    """Return a metric that no other test publishes."""
    return MonitoredMetric(local_aws)


def test_alarm_sends_one_email_above_the_threshold_and_recovers(monitored):
    """The e-mail has state, reason and description; the alarm is OK again after the period."""
    monitored.alarm(OKActions=[monitored.topic])
    assert monitored.evaluate() == "OK"

    monitored.publish(3)
    assert [monitored.evaluate(), monitored.evaluate(1)] == ["ALARM", "ALARM"]
    [recovery, mail] = monitored.mails
    assert recovery.subject == f'OK: "{monitored.name}" in EU (London)'
    assert (mail.to, mail.subject) == ("ops@example.com", f'ALARM: "{monitored.name}" in EU (London)')
    assert "Rows are held back." in mail.body
    assert "was greater than the threshold (0.0)" in mail.body
    assert "OK -> ALARM" in mail.body

    assert monitored.evaluate(6) == "OK"
    assert [mail.subject.partition(":")[0] for mail in monitored.mails] == ["OK", "ALARM", "OK"]


def test_queue_subscription_gets_the_json_document_of_cloudwatch(monitored):
    """With the alarm's name, states and dimensions."""
    sqs = monitored.aws.client("sqs")
    queue = sqs.create_queue(QueueName=monitored.name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    monitored.aws.client("sns").subscribe(TopicArn=monitored.topic, Protocol="sqs", Endpoint=arn)
    monitored.alarm(Dimensions=[{"Name": "Stage", "Value": "load"}])
    monitored.publish(3, Stage="load")

    monitored.evaluate()

    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    document = json.loads(json.loads(message["Body"])["Message"])
    assert (document["AlarmName"], document["NewStateValue"]) == (monitored.name, "ALARM")
    assert document["OldStateValue"] == "INSUFFICIENT_DATA"
    assert document["Trigger"]["Dimensions"] == [{"name": "Stage", "value": "load"}]


def test_alarm_counts_only_data_with_its_dimensions_and_unit(monitored):
    """Data with other dimensions is another metric of the same name."""
    monitored.alarm(Dimensions=[{"Name": "Stage", "Value": "load"}], Unit="Count")
    monitored.publish(1)
    monitored.publish(1, Stage="ingest")
    monitored.publish(1, Stage="load", Table="payment")
    monitored.publish(1, unit="Bytes", Stage="load")
    assert monitored.evaluate() == "OK"

    monitored.publish(1, Stage="load")
    assert monitored.evaluate() == "ALARM"


def test_missing_data_can_breach_the_threshold(monitored):
    """After six periods (30 minutes) without data; one data point is enough to recover."""
    monitored.alarm(
        Statistic="Maximum",
        Threshold=1800,
        EvaluationPeriods=6,
        DatapointsToAlarm=6,
        TreatMissingData="breaching",
        OKActions=[monitored.topic],
    )
    assert [monitored.evaluate(), monitored.evaluate(29)] == ["INSUFFICIENT_DATA"] * 2  # no data yet
    assert monitored.mails == []
    monitored.publish(12)
    assert [monitored.evaluate(), monitored.evaluate(29)] == ["OK", "OK"]

    assert monitored.evaluate(31) == "ALARM"
    assert "no datapoints were received for 6 periods and 6 missing datapoints were treated as [Breaching]" in (
        monitored.reason
    )
    assert monitored.mails[-1].subject.startswith("ALARM")
    monitored.publish(12)
    assert monitored.evaluate() == "OK"
    assert monitored.mails[-1].subject.startswith("OK")


def test_alarm_on_age_fires_also_when_the_reported_age_is_too_high(monitored):
    """A load that reports a stale warehouse counts like a missing load."""
    monitored.alarm(Statistic="Maximum", Threshold=1800, EvaluationPeriods=2, TreatMissingData="breaching")
    monitored.publish(4000)

    assert monitored.evaluate(11) == "ALARM"


@pytest.mark.parametrize(("treatment", "state"), [("missing", "INSUFFICIENT_DATA"), ("ignore", "ALARM")])
def test_missing_data_is_insufficient_or_ignored(monitored, treatment, state):
    """The state becomes INSUFFICIENT_DATA, or stays."""
    monitored.alarm(TreatMissingData=treatment)
    monitored.publish(1)
    assert monitored.evaluate() == "ALARM"

    assert monitored.evaluate(20) == state


def test_alarm_on_an_expression_has_insufficient_data_and_a_reason(monitored):
    """Expressions are not evaluated locally."""
    stat = {"Metric": {"Namespace": "Totelake", "MetricName": monitored.name}, "Period": 3600, "Stat": "Sum"}
    monitored.cloudwatch.put_metric_alarm(
        AlarmName=monitored.name,
        ComparisonOperator="LessThanLowerOrGreaterThanUpperThreshold",
        EvaluationPeriods=2,
        ThresholdMetricId="band",
        AlarmActions=[monitored.topic],
        Metrics=[
            {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(rows, 3)", "ReturnData": True},
            {"Id": "rows", "MetricStat": stat, "ReturnData": True},
        ],
    )

    assert monitored.evaluate() == "INSUFFICIENT_DATA"
    assert "evaluates no expressions" in monitored.reason
    assert monitored.mails == []


def test_alarm_on_the_number_of_messages_in_a_queue(monitored):
    """SQS publishes the metric; a message in the dead-letter queue is a failed start."""
    sqs = monitored.aws.client("sqs")
    queue = sqs.create_queue(QueueName=monitored.name)["QueueUrl"]
    monitored.alarm(
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Statistic="Maximum",
        Dimensions=[{"Name": "QueueName", "Value": monitored.name}],
    )
    assert monitored.evaluate() == "OK"

    sqs.send_message(QueueUrl=queue, MessageBody="a start that failed")
    assert monitored.evaluate() == "ALARM"
    sqs.purge_queue(QueueUrl=queue)
    assert monitored.evaluate() == "OK"


def test_alarm_with_disabled_actions_changes_its_state_and_sends_nothing(monitored):
    """The alarm is muted."""
    monitored.alarm(ActionsEnabled=False)
    monitored.publish(1)

    assert monitored.evaluate() == "ALARM"
    assert monitored.mails == []


def test_endpoint_evaluates_alarms_periodically(monitored, world):
    """Within seconds of the data point, until it is stopped."""
    monitored.alarm()
    own = alarms.Alarms()
    own.start()
    own.start()
    try:
        monitored.publish(1)
        world.wait(lambda: monitored.mails, bool, seconds=10)
    finally:
        own.stop()

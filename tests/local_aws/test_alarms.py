"""Alarms on the local AWS: which state their metric puts them in, and who hears of it."""

import json
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from local_aws import alarms, inbox
from local_aws.schedules.clock import SystemClock

MINUTE = timedelta(minutes=1)


class Watched:
    """Short words for a metric of its own, alarms on it, and the mails that they cause."""

    def __init__(self, aws):
        """Make a topic with one e-mail subscription."""
        self.aws = aws
        self.cloudwatch = aws.client("cloudwatch")
        self.name = f"Metric{uuid.uuid4().hex}"
        self.topic = aws.client("sns").create_topic(Name=self.name)["TopicArn"]
        aws.client("sns").subscribe(TopicArn=self.topic, Protocol="email", Endpoint="ops@example.com")
        self.began = datetime.now(UTC)

    def alarm(self, **settings):
        """Make an alarm that is on while the sum of five minutes is more than nothing."""
        usual = {
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
        self.cloudwatch.put_metric_alarm(**{**usual, **settings})

    def publish(self, value, unit="Count", **dimensions):
        """Publish a figure of the metric."""
        told = [{"Name": name, "Value": said} for name, said in dimensions.items()]
        datum = {"MetricName": self.name, "Value": value, "Unit": unit, "Dimensions": told}
        self.cloudwatch.put_metric_data(Namespace="Totelake", MetricData=[datum])

    def look(self, minutes=0.0):
        """Let the alarms be looked at so many minutes from now; return the state of ours."""
        alarms.look(datetime.now(UTC) + minutes * MINUTE)
        [found] = self.cloudwatch.describe_alarms(AlarmNames=[self.name])["MetricAlarms"]
        self.reason = found["StateReason"]
        return found["StateValue"]

    @property
    def mails(self):
        """The mails of the topic."""
        return [mail for mail in inbox.messages(self.aws.state) if mail.topic == self.topic]


@pytest.fixture
def watched(local_aws):
    """Return a metric that nobody else publishes."""
    return Watched(local_aws)


def test_a_metric_above_its_threshold_is_told_once_and_ends_by_itself(watched):
    """From nothing to a mail that says what, why and what to do, and back when the period is over."""
    watched.alarm(OKActions=[watched.topic])
    assert watched.look() == "OK"

    watched.publish(3)
    assert [watched.look(), watched.look(1)] == ["ALARM", "ALARM"]
    [well, mail] = watched.mails
    assert well.subject == f'OK: "{watched.name}" in EU (London)'
    assert (mail.to, mail.subject) == ("ops@example.com", f'ALARM: "{watched.name}" in EU (London)')
    assert "Rows are held back." in mail.body
    assert "was greater than the threshold (0.0)" in mail.body
    assert "OK -> ALARM" in mail.body

    assert watched.look(6) == "OK"
    assert [mail.subject.partition(":")[0] for mail in watched.mails] == ["OK", "ALARM", "OK"]


def test_programs_get_the_document_that_cloudwatch_sends(watched):
    """Those that listen through a queue."""
    sqs = watched.aws.client("sqs")
    queue = sqs.create_queue(QueueName=watched.name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    watched.aws.client("sns").subscribe(TopicArn=watched.topic, Protocol="sqs", Endpoint=arn)
    watched.alarm(Dimensions=[{"Name": "Stage", "Value": "load"}])
    watched.publish(3, Stage="load")

    watched.look()

    [message] = sqs.receive_message(QueueUrl=queue)["Messages"]
    document = json.loads(json.loads(message["Body"])["Message"])
    assert (document["AlarmName"], document["NewStateValue"]) == (watched.name, "ALARM")
    assert document["OldStateValue"] == "INSUFFICIENT_DATA"
    assert document["Trigger"]["Dimensions"] == [{"name": "Stage", "value": "load"}]


def test_only_the_metric_with_the_same_dimensions_and_unit_counts(watched):
    """Another one of the same name is another metric."""
    watched.alarm(Dimensions=[{"Name": "Stage", "Value": "load"}], Unit="Count")
    watched.publish(1)
    watched.publish(1, Stage="ingest")
    watched.publish(1, Stage="load", Table="payment")
    watched.publish(1, unit="Bytes", Stage="load")
    assert watched.look() == "OK"

    watched.publish(1, Stage="load")
    assert watched.look() == "ALARM"


def test_missing_data_can_be_what_is_wrong(watched):
    """Half an hour without one good figure, of six periods; one of them is enough to be well again."""
    watched.alarm(
        Statistic="Maximum",
        Threshold=1800,
        EvaluationPeriods=6,
        DatapointsToAlarm=6,
        TreatMissingData="breaching",
        OKActions=[watched.topic],
    )
    assert [watched.look(), watched.look(29)] == ["INSUFFICIENT_DATA"] * 2  # nobody was there to publish before
    assert watched.mails == []
    watched.publish(12)
    assert [watched.look(), watched.look(29)] == ["OK", "OK"]

    assert watched.look(31) == "ALARM"
    assert "no datapoints were received for 6 periods and 6 missing datapoints were treated as [Breaching]" in (
        watched.reason
    )
    assert watched.mails[-1].subject.startswith("ALARM")
    watched.publish(12)
    assert watched.look() == "OK"
    assert watched.mails[-1].subject.startswith("OK")


def test_an_old_figure_does_not_keep_an_alarm_of_age_well(watched):
    """A load that says that the warehouse is too old is no better than none."""
    watched.alarm(Statistic="Maximum", Threshold=1800, EvaluationPeriods=2, TreatMissingData="breaching")
    watched.publish(4000)

    assert watched.look(11) == "ALARM"


@pytest.mark.parametrize(("treatment", "state"), [("missing", "INSUFFICIENT_DATA"), ("ignore", "ALARM")])
def test_other_treatments_of_missing_data(watched, treatment, state):
    """It is told as such, or the state stays."""
    watched.alarm(TreatMissingData=treatment)
    watched.publish(1)
    assert watched.look() == "ALARM"

    assert watched.look(20) == state


def test_an_alarm_on_an_expression_says_that_nobody_evaluates_it(watched):
    """It does not pretend to be well."""
    stat = {"Metric": {"Namespace": "Totelake", "MetricName": watched.name}, "Period": 3600, "Stat": "Sum"}
    watched.cloudwatch.put_metric_alarm(
        AlarmName=watched.name,
        ComparisonOperator="LessThanLowerOrGreaterThanUpperThreshold",
        EvaluationPeriods=2,
        ThresholdMetricId="band",
        AlarmActions=[watched.topic],
        Metrics=[
            {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(rows, 3)", "ReturnData": True},
            {"Id": "rows", "MetricStat": stat, "ReturnData": True},
        ],
    )

    assert watched.look() == "INSUFFICIENT_DATA"
    assert "evaluates no expressions" in watched.reason
    assert watched.mails == []


def test_a_queue_that_holds_a_message_is_a_metric(watched):
    """SQS publishes it by itself; a message in a dead-letter queue is a start that failed."""
    sqs = watched.aws.client("sqs")
    queue = sqs.create_queue(QueueName=watched.name)["QueueUrl"]
    watched.alarm(
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Statistic="Maximum",
        Dimensions=[{"Name": "QueueName", "Value": watched.name}],
    )
    assert watched.look() == "OK"

    sqs.send_message(QueueUrl=queue, MessageBody="a start that failed")
    assert watched.look() == "ALARM"
    sqs.purge_queue(QueueUrl=queue)
    assert watched.look() == "OK"


def test_an_alarm_without_actions_changes_its_state_and_tells_nobody(watched):
    """Somebody has muted it."""
    watched.alarm(ActionsEnabled=False)
    watched.publish(1)

    assert watched.look() == "ALARM"
    assert watched.mails == []


def test_the_endpoint_looks_by_itself(watched, world):
    """Within seconds of the figure, and not after it was told to stop."""
    watched.alarm()
    alarms.start()
    alarms.start(SystemClock())
    try:
        watched.publish(1)
        world.wait(lambda: watched.mails, bool, seconds=10)
    finally:
        alarms.stop()

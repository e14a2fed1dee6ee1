"""Scores of the model on labelled posts: one module per task, with the metrics in `measures`."""

from models.evaluation.agreement import AgreementReport, agreement_report
from models.evaluation.campaign import (
    CampaignReport,
    campaign_report,
    match_topics,
    read_campaign_posts,
)
from models.evaluation.labels import LabelReport, label_report, read_tagged
from models.evaluation.language import LanguageReport, language_report, name_languages, read_language
from models.evaluation.sentiment import (
    JudgedPosts,
    LabelledPosts,
    SentimentReport,
    SentimentScore,
    judge,
    pooled,
    read_domains,
    read_sentiment,
    read_sentiment_table,
    score_sentiment,
    sentiment_report,
)
from models.evaluation.several import name_labels
from models.evaluation.topic import TopicReport, read_topic_posts, topic_report

__all__ = [
    "AgreementReport",
    "CampaignReport",
    "JudgedPosts",
    "LabelReport",
    "LabelledPosts",
    "LanguageReport",
    "SentimentReport",
    "SentimentScore",
    "TopicReport",
    "agreement_report",
    "campaign_report",
    "judge",
    "label_report",
    "language_report",
    "match_topics",
    "name_labels",
    "name_languages",
    "pooled",
    "read_campaign_posts",
    "read_domains",
    "read_language",
    "read_sentiment",
    "read_sentiment_table",
    "read_tagged",
    "read_topic_posts",
    "score_sentiment",
    "sentiment_report",
    "topic_report",
]
